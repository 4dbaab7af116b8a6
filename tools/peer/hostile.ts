// SPDX-License-Identifier: BSD-3-Clause
// What a hostile guest can write into a ring that it shares with us: one entry for each broken rule of VIRTIO
// 1.2, 2.7 and 2.8. A back-end must count each violation and go on: without that queue if the ring can no
// longer be read, with it if only an entry is unusable (docs/trust-model.md). This code only runs with
// --hostile.
import { VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE } from '../../src/abi/virtio-ring.ts';
import { PmdError } from '../../src/errors.ts';
import { PACKED_BREAKERS } from './hostile-packed.ts';
import { SPLIT_BREAKERS } from './hostile-split.ts';
import type { HostileBuffer, HostileTarget } from './hostile-target.ts';

const GOOD_LENGTH = 1024;
const end = (t: HostileTarget): bigint => t.gpa + BigInt(t.memoryBytes);
const direction = (t: HostileTarget): number => (t.role === 'rx' ? VRING_DESC_F_WRITE : 0);

/** Buffers that are invalid in any ring, by the rule that they break. */
const BAD_BUFFERS: Readonly<Record<string, (t: HostileTarget) => Partial<HostileBuffer>>> = {
  'address-out-of-range': (t) => ({ addr: end(t) + 0x1000_0000n }),
  'address-below-memory': (t) => ({ addr: t.gpa - BigInt(GOOD_LENGTH) }),
  /** Starts inside, ends one byte outside. */
  'straddles-end': (t) => ({ addr: end(t) - BigInt(GOOD_LENGTH) + 1n }),
  /** addr + len wraps around 2^64 to a small value. */
  'address-wrap': () => ({ addr: 0xffff_ffff_ffff_ff00n }),
  'length-overflow': () => ({ len: 0xffff_ffff }),
  'zero-length-bad-address': (t) => ({ addr: end(t) + 1n, len: 0 }),
  'indirect-outside': (t) => ({ addr: end(t), len: 32, flags: VRING_DESC_F_INDIRECT }),
  'indirect-cut': () => ({ len: 40, flags: VRING_DESC_F_INDIRECT }),
  'indirect-empty': () => ({ len: 0, flags: VRING_DESC_F_INDIRECT }),
  'indirect-huge': (t) => ({ len: Math.floor(t.memoryBytes / 16) * 16, flags: VRING_DESC_F_INDIRECT }),
  'indirect-and-next': () => ({ len: 32, flags: VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT }),
};

/** Buffers that are unusable but leave the ring readable. */
const UNUSABLE_BUFFERS: Readonly<Record<string, (t: HostileTarget) => Partial<HostileBuffer>>> = {
  'zero-length': () => ({ len: 0 }),
  /** Too short for the virtio-net header, even the legacy one. */
  'short-buffer': () => ({ len: 9 }),
  /** A device-writable transmit buffer, or a receive buffer that the device may not write. */
  'wrong-direction': (t) => ({ flags: direction(t) ^ VRING_DESC_F_WRITE }),
};

/** Rules whose violation costs only the entry; all others break the ring. */
export const HARMLESS_KINDS: readonly string[] = Object.keys(UNUSABLE_BUFFERS);

/** All rules of this kind of ring, by the name that --hostile accepts. */
export const hostileKinds = (packed: boolean): string[] => [
  ...Object.keys({ ...BAD_BUFFERS, ...UNUSABLE_BUFFERS }),
  ...Object.keys((packed ? PACKED_BREAKERS : SPLIT_BREAKERS).rules),
];
export const HOSTILE_KINDS: readonly string[] = [...new Set([...hostileKinds(false), ...hostileKinds(true)])];

/**
 * Breaks a rule in a ring whose driver is stopped. In a transmit ring the bad entry is added as the next one;
 * in a receive ring every buffer that the device still holds is corrupted, so that the next frame hits one.
 * The caller kicks the queue. Throws VPCI_HOSTILE when a ring of this kind has no such rule.
 */
export function writeHostile(kind: string, target: HostileTarget, packed = false): void {
  const { rules, replace } = packed ? PACKED_BREAKERS : SPLIT_BREAKERS;
  const buffers = { ...BAD_BUFFERS, ...UNUSABLE_BUFFERS };
  const bad = Object.hasOwn(buffers, kind) ? buffers[kind] : undefined;
  const rule = Object.hasOwn(rules, kind) ? rules[kind] : undefined;
  const good = { addr: target.gpa, len: GOOD_LENGTH, flags: direction(target) };
  if (bad) replace(target, { ...good, ...bad(target) });
  else if (rule) rule(target);
  else throw new PmdError('VPCI_HOSTILE', `A ${packed ? 'packed' : 'split'} ring has no rule '${kind}'`);
}
