// SPDX-License-Identifier: BSD-3-Clause
// The devargs of net_tap. As in DPDK: `iface` (the interface's name; default dtap<N>), `mac` (its address; by
// default the kernel chooses), `persist` (the interface remains after the port is closed). In addition:
// `csum=0` and `tso=0` (the kernel must complete checksums, or segment packets, before passing them to us).
import { PmdError } from '../../errors.ts';
import { integerArg, macArg } from '../../ethdev/devargs.ts';
import { MBUF_F_NEEDS_CSUM } from '../../ethdev/mempool.ts';
import { ALL_OFFLOADS } from '../../ethdev/offloads.ts';

export const TAP_DEVARGS = ['iface', 'mac', 'persist', 'csum', 'tso'] as const;

/** IFNAMSIZ - 1. */
const MAX_NAME = 15;

export interface TapDevargs {
  /** May contain %d, which the kernel replaces with the first free number. */
  readonly iface: string;
  readonly mac: string | null;
  readonly persist: boolean;
  /** Upper limit of the offloads of packets from the kernel. */
  readonly offloads: number;
}

/** Throws a VPCI_DEVARGS that names the device and the argument. */
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

/** Accepts the names that the kernel accepts (dev_valid_name), except its wildcard. */
function parseIface(name: string, iface: string): string {
  const fault = (cause: string) =>
    new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: iface=${iface} ${cause}`);
  if (iface.length > MAX_NAME)
    throw fault(`is too long: interface names have ${MAX_NAME} characters at most`);
  if (!/^[!-$&-.0-9;-~]+$/.test(iface) || iface === '.' || iface === '..')
    throw fault('is not a valid interface name');
  return iface;
}
