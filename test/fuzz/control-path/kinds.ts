// SPDX-License-Identifier: BSD-3-Clause
// Descriptors by name. The accomplice makes `kind#label` once per session, so that a name always means the
// same open file; `doorbell:N` is what the device handed out for its queue N, `socket:SIDE` the side's own
// connection.
import type { Disorder } from '../mutator.ts';

export const MEMORY_KINDS = [
  'sparse-6g',
  'sparse-1t',
  'sparse-max',
  'empty',
  'sealed-write',
  'sealed-future-write',
  'sealed-size',
  'read-only',
  'write-only',
  'append',
  'hugetlb',
  'hugetlb-too-large',
  'secret',
  'small-tmpfs',
  'disk',
  'fuse',
  'proc-mem',
] as const;

export const EVENT_KINDS = [
  'event-blocking',
  'event-full',
  'event-full-blocking',
  'semaphore',
  'semaphore-2^63',
] as const;

export const OTHER_KINDS = [
  'null',
  'zero',
  'directory',
  'path',
  'terminal',
  'pipe-read',
  'pipe-write',
  'pipe-full',
  'socket',
  'epoll',
  'timer',
  'signal',
  'inotify',
  'process',
] as const;

/** The first bytes of a memory kind, which are all that the rings of a script use. */
export const MEMORY_BYTES = 1 << 20;

/** The maximum size of a region or a DMA range of the kind. */
export function bytesOfKind(kind: string): bigint {
  switch (kind) {
    case 'sparse-6g':
      return 6n << 30n;
    case 'sparse-1t':
      return 1n << 40n;
    case 'sparse-max':
      return 1n << 46n;
    case 'hugetlb':
      return 4n << 20n;
    case 'hugetlb-too-large':
      return 64n << 30n;
    default:
      return BigInt(MEMORY_BYTES);
  }
}

/** The name of any existing descriptor, those of the session included. */
export function anyDescriptor(chaos: Disorder, known: readonly string[]): string {
  const label = chaos.below(3);
  switch (chaos.below(6)) {
    case 0:
      return `${chaos.pick(MEMORY_KINDS)}#${label}`;
    case 1:
      return `${chaos.pick(EVENT_KINDS)}#${label}`;
    case 2:
      return `${chaos.pick(OTHER_KINDS)}#${label}`;
    case 3:
      return chaos.chance(50) ? `doorbell:${chaos.below(5)}` : `socket:${chaos.pick(['peer', 'driver'])}`;
    default:
      return chaos.pick(known);
  }
}

export const kindOf = (name: string): string => name.split('#')[0] ?? name;
