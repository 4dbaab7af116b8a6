// SPDX-License-Identifier: BSD-3-Clause
// What a hostile guest can write into a ring that it shares with us: one function for each broken rule of VIRTIO 1.2, 2.7.
// A back-end must refuse each of them, count it, stop that queue, and go on. Nothing here is reached without --hostile.

import { readField, writeField } from '../../src/abi/layout.ts';
import {
  VRING_AVAIL,
  VRING_DESC,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
  VRING_USED,
} from '../../src/abi/virtio-ring.ts';
import { availOffset, descOffset, type RingPlace } from './layout.ts';

export type RingRole = 'rx' | 'tx';

/** A ring in shared memory, and where that memory lies for the back-end. */
export interface HostileTarget {
  readonly view: DataView;
  readonly ring: RingPlace;
  readonly role: RingRole;
  /** Guest-physical address of the view's first byte. */
  readonly gpa: bigint;
  /** Bytes of memory that the back-end was told about. */
  readonly memoryBytes: number;
}

interface Descriptor {
  readonly addr: bigint;
  readonly len: number;
  readonly flags: number;
  readonly next: number;
}

/** Makes one available entry bad: `head` is its descriptor, `index` its free-running place in the available ring. */
type Breaker = (target: HostileTarget, head: number, index: number) => void;

const GOOD_LENGTH = 1024;

/** Every kind, by the name that --hostile takes. */
const BREAKERS = {
  'address-out-of-range': (t, head) => describe(t, head, { addr: end(t) + 0x1000_0000n }),
  'address-below-memory': (t, head) => describe(t, head, { addr: t.gpa - BigInt(GOOD_LENGTH) }),
  /** Starts inside, ends one byte outside. */
  'straddles-end': (t, head) => describe(t, head, { addr: end(t) - BigInt(GOOD_LENGTH) + 1n }),
  /** addr + len passes 2^64 and comes out small. */
  'address-wrap': (t, head) => describe(t, head, { addr: 0xffff_ffff_ffff_ff00n }),
  'length-overflow': (t, head) => describe(t, head, { len: 0xffff_ffff }),
  'zero-length': (t, head) => describe(t, head, { len: 0 }),
  'zero-length-bad-address': (t, head) => describe(t, head, { addr: end(t) + 1n, len: 0 }),
  /** Too short for the virtio-net header. */
  'short-buffer': (t, head) => describe(t, head, { len: 11 }),
  'next-out-of-range': (t, head) =>
    describe(t, head, { flags: good(t) | VRING_DESC_F_NEXT, next: t.ring.size }),
  'chain-loop': (t, head) => describe(t, head, { flags: good(t) | VRING_DESC_F_NEXT, next: head }),
  'chain-loop-zero-length': (t, head) =>
    describe(t, head, { flags: good(t) | VRING_DESC_F_NEXT, next: head, len: 0 }),
  /** A transmit buffer that the device may write, a receive buffer that it may not. */
  'wrong-direction': (t, head) => describe(t, head, { flags: good(t) ^ VRING_DESC_F_WRITE }),
  'head-out-of-range': (t, _head, index) => t.view.setUint16(availOffset(t.ring, index), t.ring.size, true),
  'avail-jump': (t) => moveAvail(t, t.ring.size * 2 + 1),
  'avail-backwards': (t) => moveAvail(t, -1 - outstanding(t)),
} satisfies Record<string, Breaker>;

export type HostileKind = keyof typeof BREAKERS;
export const HOSTILE_KINDS = Object.keys(BREAKERS) as HostileKind[];

/**
 * Breaks a rule in a ring whose driver stands still. In a transmit ring the bad entry is added as the next one; in a receive ring
 * every buffer that the device still holds becomes bad, so that the next frame meets one.
 * The caller kicks the queue.
 */
export function writeHostile(kind: HostileKind, target: HostileTarget): void {
  const breaker: Breaker = BREAKERS[kind];
  const { view, ring, role } = target;
  const available = readField(view, VRING_AVAIL.fields.idx, ring.avail);
  if (kind === 'avail-jump' || kind === 'avail-backwards') {
    breaker(target, 0, available);
    return;
  }
  if (role === 'tx') {
    const head = available & (ring.size - 1);
    view.setUint16(availOffset(ring, available), head, true);
    breaker(target, head, available);
    moveAvail(target, 1);
    return;
  }
  const count = outstanding(target);
  for (let index = available - count; index !== available; index++) {
    breaker(target, view.getUint16(availOffset(ring, index), true) & (ring.size - 1), index);
  }
}

/** Entries that the device has not returned. */
function outstanding({ view, ring }: HostileTarget): number {
  const available = readField(view, VRING_AVAIL.fields.idx, ring.avail);
  const used = readField(view, VRING_USED.fields.idx, ring.used);
  return (available - used) & 0xffff;
}

/** Adds to the available index, as the last write: the entry before it is complete. */
function moveAvail({ view, ring }: HostileTarget, by: number): void {
  const index = new Uint16Array(view.buffer, view.byteOffset + ring.avail + VRING_AVAIL.fields.idx.offset, 1);
  Atomics.store(index, 0, Atomics.load(index, 0) + by);
}

/** Writes a descriptor that is right but for what `wrong` says. */
function describe(target: HostileTarget, index: number, wrong: Partial<Descriptor>): void {
  const { view, ring } = target;
  const descriptor = { addr: target.gpa, len: GOOD_LENGTH, flags: good(target), next: 0, ...wrong };
  const base = descOffset(ring, index);
  writeField(view, VRING_DESC.fields.addr, descriptor.addr, base);
  writeField(view, VRING_DESC.fields.len, descriptor.len, base);
  writeField(view, VRING_DESC.fields.flags, descriptor.flags, base);
  writeField(view, VRING_DESC.fields.next, descriptor.next, base);
}

const good = (target: HostileTarget): number => (target.role === 'rx' ? VRING_DESC_F_WRITE : 0);
const end = (target: HostileTarget): bigint => target.gpa + BigInt(target.memoryBytes);
