// SPDX-License-Identifier: BSD-3-Clause
// The devargs of net_tap: `iface` (the interface's name; dtap<N> when left out), `mac` (its address; the kernel's choice when left
// out), `persist` (the interface stays when the port is closed), as in DPDK; `csum=0` and `tso=0` (the kernel is to finish checksums,
// and to cut segments, before it hands us a packet).
import { PmdError } from '../../errors.ts';
import { integerArg, macArg } from '../../ethdev/devargs.ts';
import { MBUF_F_NEEDS_CSUM } from '../../ethdev/mempool.ts';
import { ALL_OFFLOADS } from '../../ethdev/offloads.ts';

export const TAP_DEVARGS = ['iface', 'mac', 'persist', 'csum', 'tso'] as const;

/** IFNAMSIZ - 1. */
const MAX_NAME = 15;

export interface TapDevargs {
  /** May hold %d, which the kernel replaces by the first free number. */
  readonly iface: string;
  readonly mac: string | null;
  readonly persist: boolean;
  /** Offloads that packets from the kernel may have at most. */
  readonly offloads: number;
}

/** Throws VPCI_DEVARGS naming the device and the argument. */
export function parseTapDevargs(name: string, devargs: ReadonlyMap<string, string>): TapDevargs {
  const flag = (key: string, fallback: number) =>
    integerArg(name, devargs, key, { fallback, min: 0, max: 1 }) === 1;
  const csum = flag('csum', 1);
  const tso = flag('tso', 1);
  return {
    iface: devargs.has('iface') ? parseIface(name, devargs.get('iface') ?? '') : 'dtap%d',
    mac: macArg(name, devargs),
    persist: flag('persist', 0),
    offloads: !csum ? 0 : tso ? ALL_OFFLOADS : MBUF_F_NEEDS_CSUM,
  };
}

/** What the kernel takes as a name (dev_valid_name), without its wildcard. */
function parseIface(name: string, iface: string): string {
  const fault = (cause: string) =>
    new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: iface=${iface} ${cause}`);
  if (iface.length > MAX_NAME)
    throw fault(`is too long: interface names have ${MAX_NAME} characters at most`);
  if (!/^[!-$&-.0-9;-~]+$/.test(iface) || iface === '.' || iface === '..')
    throw fault('is no name of an interface');
  return iface;
}
