// SPDX-License-Identifier: BSD-3-Clause
// The devargs of net_vhost_pci: `path` (the device's vfio-user socket, required), `queues` (pairs to use at most; all of the device
// when left out), `mac` (six pairs of hexadecimal digits, unicast).
import { PmdError } from '../errors.ts';

export const VHOST_PCI_DEVARGS = ['path', 'queues', 'mac'] as const;

export interface VhostPciDevargs {
  readonly path: string;
  readonly queues?: number;
  readonly mac?: string;
}

/** Throws VPCI_DEVARGS naming the device and the argument. */
export function parseVhostPciDevargs(name: string, devargs: ReadonlyMap<string, string>): VhostPciDevargs {
  const path = devargs.get('path');
  if (!path)
    throw new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: it needs path=<socket of vhost-pci-device>`);
  return { path, ...parseQueues(name, devargs.get('queues')), ...parseMac(name, devargs.get('mac')) };
}

function parseQueues(name: string, text: string | undefined): { queues?: number } {
  if (text === undefined) return {};
  if (!/^[1-9][0-9]{0,4}$/.test(text)) {
    throw new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: queues=${text} is not a positive number`);
  }
  return { queues: Number(text) };
}

function parseMac(name: string, text: string | undefined): { mac?: string } {
  if (text === undefined) return {};
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text) || (Number.parseInt(text.slice(0, 2), 16) & 1) !== 0) {
    throw new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: mac=${text} is not a unicast MAC address`);
  }
  return { mac: text.toUpperCase() };
}
