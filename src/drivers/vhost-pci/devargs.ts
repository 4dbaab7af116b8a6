// SPDX-License-Identifier: BSD-3-Clause
// The devargs of net_vhost_pci: `path` (the device's vfio-user socket; required unless the device is named by
// a PCI address), `queues` (maximum number of queue pairs; default: all of the device), `mac` (six pairs of
// hexadecimal digits, unicast), `mem` (PATH@OFFSET, an alternate mapping of BAR 2's memory), `csum=0` and
// `tso=0` (the peer must do checksums, or segmentation, itself in both directions), `max-peer-memory` (a
// size: peer memory up to this size is accepted whatever it may cost this process, larger memory is refused;
// docs/trust-model.md), `minimum=1` (a function of RFC 2.1: no extension).
import { parseByteSize } from '../../byte-size.ts';
import type { AlternateMapping } from '../../engines/alternate-mapping.ts';
import { dataPathFeatures } from '../../engines/features.ts';
import { PmdError } from '../../errors.ts';
import { integerArg, macArg } from '../../ethdev/devargs.ts';
import { parsePciAddress } from '../../pci/address.ts';
import { socketPathFault } from '../../socket-path.ts';
import type { FeatureSet } from '../../virtio/features.ts';
import { alternateArg } from '../alternate-arg.ts';

export const VHOST_PCI_DEVARGS = [
  'path',
  'queues',
  'mac',
  'mem',
  'csum',
  'tso',
  'max-peer-memory',
  'minimum',
] as const;

export interface VhostPciDevargs {
  /** Location of the function: a socket, or a PCI address of this machine. */
  readonly place: { readonly path: string } | { readonly address: string };
  readonly queues?: number;
  readonly mac?: string;
  readonly alternateMapping?: AlternateMapping;
  /** In bytes. */
  readonly maxPeerMemory?: number;
  readonly features: FeatureSet;
  /** RFC 2.1 without its extensions. */
  readonly minimum: boolean;
}

/** Throws a VPCI_DEVARGS that names the device and the argument. */
export function parseVhostPciDevargs(name: string, devargs: ReadonlyMap<string, string>): VhostPciDevargs {
  const mac = macArg(name, devargs);
  const alternateMapping = alternateArg(name, devargs);
  const flag = (key: string, fallback = 1) =>
    integerArg(name, devargs, key, { fallback, min: 0, max: 1 }) === 1;
  return {
    place: parsePlace(name, devargs.get('path')),
    ...parseQueues(name, devargs.get('queues')),
    ...(mac === null ? {} : { mac }),
    ...(alternateMapping === null ? {} : { alternateMapping }),
    ...parseMaxPeerMemory(name, devargs.get('max-peer-memory')),
    minimum: flag('minimum', 0),
    features: dataPathFeatures({ csum: flag('csum'), tso: flag('tso') }),
  };
}

function parsePlace(name: string, path: string | undefined): VhostPciDevargs['place'] {
  const address = parsePciAddress(name);
  if (address !== null && path !== undefined)
    throw new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: path= is for --vdev net_vhost_pci<N>`);
  if (address !== null) return { address };
  const fault = socketPathFault(path ?? '');
  if (fault !== null) throw new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: path=${path}: ${fault}`);
  if (path) return { path };
  throw new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: it needs path=<socket of vhost-pci-device>`);
}

function parseMaxPeerMemory(name: string, text: string | undefined): { maxPeerMemory?: number } {
  if (text === undefined) return {};
  const maxPeerMemory = parseByteSize(text);
  if (maxPeerMemory === null || maxPeerMemory === 0) {
    throw new PmdError(
      'VPCI_DEVARGS',
      `Failed to probe ${name}: max-peer-memory=${text} is not a size such as 512M or 8G`,
    );
  }
  return { maxPeerMemory };
}

function parseQueues(name: string, text: string | undefined): { queues?: number } {
  if (text === undefined) return {};
  if (!/^[1-9][0-9]{0,4}$/.test(text)) {
    throw new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: queues=${text} is not a positive number`);
  }
  return { queues: Number(text) };
}
