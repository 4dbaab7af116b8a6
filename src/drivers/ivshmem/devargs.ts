// SPDX-License-Identifier: BSD-3-Clause
// The devargs of net_ivshmem: `own` and `peer` (the memory of each side: a file, the PCI address of an
// ivshmem function, or the vfio-user socket of one; `own` is the function itself for a device named by an
// address), `side` (0 or 1: both are halves of one memory, named by `own` alone), `doorbell` (an ivshmem-
// doorbell function, for interrupts), `queues` (most queue pairs; default 1), `minimum=1` (no extension:
// plain frames), `mac` (six pairs of hexadecimal digits, unicast), `mem` (PATH@OFFSET, an alternate mapping
// of the memory of an ivshmem v2 function).
import type { AlternateMapping } from '../../engines/alternate-mapping.ts';
import { PmdError } from '../../errors.ts';
import { integerArg, macArg } from '../../ethdev/devargs.ts';
import { parsePciAddress } from '../../pci/address.ts';
import { alternateArg } from '../alternate-arg.ts';

export const IVSHMEM_DEVARGS = [
  'own',
  'peer',
  'side',
  'doorbell',
  'queues',
  'minimum',
  'mac',
  'mem',
] as const;

export interface IvshmemDevargs {
  readonly own: string;
  /** Null for an ivshmem v2 function, which has both sides. */
  readonly peer: string | null;
  readonly side: 0 | 1 | null;
  readonly doorbell: string | null;
  readonly queues: number;
  readonly minimum: boolean;
  readonly mac: string | null;
  readonly alternateMapping: AlternateMapping | null;
}

/** The number of vectors that the doorbell of any carrier here can have, less that of states. */
const MOST_QUEUES = 64;

/** Throws a VPCI_DEVARGS that names the device and the argument. */
export function parseIvshmemDevargs(name: string, devargs: ReadonlyMap<string, string>): IvshmemDevargs {
  const given = (key: string) => {
    const text = devargs.get(key);
    if (text === '') throw bad(name, `${key}= names nothing`);
    return text ?? null;
  };
  const address = parsePciAddress(name);
  const own = given('own') ?? address;
  if (address !== null && devargs.has('own')) throw bad(name, 'own= is for --vdev net_ivshmem<N>');
  if (own === null) throw bad(name, 'it needs own=<file or PCI address> and peer=<file or PCI address>');
  const side = devargs.has('side') ? sideArg(name, devargs) : null;
  const queues = integerArg(name, devargs, 'queues', { fallback: 1, min: 1, max: MOST_QUEUES });
  const minimum = integerArg(name, devargs, 'minimum', { fallback: 0, min: 0, max: 1 }) === 1;
  if (minimum && queues > 1)
    throw bad(name, `queues=${queues} needs an extension, and minimum=1 allows none`);
  return {
    own,
    peer: given('peer') ?? (side === null ? null : own),
    side,
    doorbell: given('doorbell'),
    queues,
    minimum,
    mac: macArg(name, devargs),
    alternateMapping: alternateArg(name, devargs),
  };
}

function sideArg(name: string, devargs: ReadonlyMap<string, string>): 0 | 1 {
  return integerArg(name, devargs, 'side', { fallback: 0, min: 0, max: 1 }) === 1 ? 1 : 0;
}

function bad(name: string, cause: string): PmdError {
  return new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: ${cause}`);
}
