// SPDX-License-Identifier: BSD-3-Clause
// Breaks a split ring: VIRTIO 1.2, 2.7.
import { readField, writeField } from '../../src/abi/layout.ts';
import {
  VRING_AVAIL,
  VRING_DESC,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
  VRING_USED,
} from '../../src/abi/virtio-ring.ts';
import type { Breaker, HostileBuffer, HostileTarget } from './hostile-target.ts';
import { availOffset, descOffset } from './memory-plan.ts';

/**
 * Corrupts one available entry: `head` is its descriptor, `index` its free-running index in the available
 * ring.
 */
type EntryBreaker = (target: HostileTarget, head: number, index: number) => void;

const RULES: Readonly<Record<string, Breaker>> = {
  'next-out-of-range': entries((t, head) => describe(t, head, { ...chained(t), next: t.ring.size })),
  'chain-loop': entries((t, head) => describe(t, head, { ...chained(t), next: head })),
  'chain-loop-zero-length': entries((t, head) => describe(t, head, { ...chained(t), len: 0, next: head })),
  'head-out-of-range': entries((t, _head, index) =>
    t.view.setUint16(availOffset(t.ring, index), t.ring.size, true),
  ),
  'avail-jump': (t) => moveAvail(t, t.ring.size * 2 + 1),
  'avail-backwards': (t) => moveAvail(t, -1 - outstanding(t)),
};

export const SPLIT_BREAKERS = {
  rules: RULES,
  replace: (target: HostileTarget, buffer: HostileBuffer): void =>
    entries((t, head) => describe(t, head, { ...buffer, next: 0 }))(target),
};

function entries(breaker: EntryBreaker): Breaker {
  return (target) => {
    const { view, ring, role } = target;
    const available = readField(view, VRING_AVAIL.fields.idx, ring.avail);
    if (role === 'tx') {
      const head = available & (ring.size - 1);
      view.setUint16(availOffset(ring, available), head, true);
      breaker(target, head, available);
      moveAvail(target, 1);
      return;
    }
    for (let index = available - outstanding(target); index !== available; index++) {
      breaker(target, view.getUint16(availOffset(ring, index), true) & (ring.size - 1), index);
    }
  };
}

const chained = ({ gpa, role }: HostileTarget): HostileBuffer => ({
  addr: gpa,
  len: 1024,
  flags: VRING_DESC_F_NEXT | (role === 'rx' ? VRING_DESC_F_WRITE : 0),
});

/** Entries that the device has not returned. */
function outstanding({ view, ring }: HostileTarget): number {
  const available = readField(view, VRING_AVAIL.fields.idx, ring.avail);
  const used = readField(view, VRING_USED.fields.idx, ring.used);
  return (available - used) & 0xffff;
}

/** Adds to the available index; this is the last write, when the entry is complete. */
function moveAvail({ view, ring }: HostileTarget, by: number): void {
  const index = new Uint16Array(view.buffer, view.byteOffset + ring.avail + VRING_AVAIL.fields.idx.offset, 1);
  Atomics.store(index, 0, Atomics.load(index, 0) + by);
}

function describe(target: HostileTarget, index: number, descriptor: HostileBuffer & { next: number }): void {
  const { view, ring } = target;
  const base = descOffset(ring, index);
  const { addr, len, flags, next } = VRING_DESC.fields;
  writeField(view, addr, descriptor.addr, base);
  writeField(view, len, descriptor.len, base);
  writeField(view, flags, descriptor.flags, base);
  writeField(view, next, descriptor.next, base);
}
