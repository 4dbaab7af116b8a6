// SPDX-License-Identifier: BSD-3-Clause
// Breaks a packed ring: VIRTIO 1.2, 2.8. The driver's own position and wrap counter are in the addon, but the
// ring reveals them: the AVAIL bit of a slot is the wrap counter of the round in which the driver wrote it.
import { readField, writeField } from '../../src/abi/layout.ts';
import {
  PVIRTQ_DESC,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
  VRING_PACKED_DESC_F_AVAIL,
  VRING_PACKED_DESC_F_USED,
} from '../../src/abi/virtio-ring.ts';
import type { Breaker, HostileBuffer, HostileTarget } from './hostile-target.ts';

const { fields } = PVIRTQ_DESC;
const OWNER = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;

const RULES: Readonly<Record<string, Breaker>> = {
  'chain-loop': (t) => listWithoutEnd(t, 64),
  'chain-loop-zero-length': (t) => listWithoutEnd(t, 0),
  /** The second buffer of the list lies outside the memory. */
  'list-with-bad-buffer': (t) => {
    const { slot, wrap } = next(t);
    const second = slot + 1 < t.ring.size ? { slot: slot + 1, wrap } : { slot: 0, wrap: !wrap };
    const nowhere = { addr: t.gpa + BigInt(t.memoryBytes), len: 64, flags: direction(t) };
    if (t.role === 'tx') write(t, second.slot, nowhere, owner(second.wrap));
    const first = { addr: t.gpa, len: 64, flags: direction(t) | VRING_DESC_F_NEXT };
    if (t.role === 'tx') write(t, slot, first, owner(wrap));
    else for (const held of heldSlots(t)) write(t, held, held % 2 === 0 ? first : nowhere);
  },
};

export const PACKED_BREAKERS = {
  rules: RULES,
  replace(target: HostileTarget, buffer: HostileBuffer): void {
    if (target.role === 'rx') {
      for (const slot of heldSlots(target)) write(target, slot, buffer);
      return;
    }
    const { slot, wrap } = next(target);
    write(target, slot, buffer, owner(wrap));
  },
};

const direction = ({ role }: HostileTarget): number => (role === 'rx' ? VRING_DESC_F_WRITE : 0);
const owner = (wrap: boolean): number => (wrap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED);
const offsetOf = ({ ring }: HostileTarget, slot: number): number => ring.desc + slot * PVIRTQ_DESC.size;
const flagsOf = (t: HostileTarget, slot: number): number =>
  readField(t.view, fields.flags, offsetOf(t, slot));
const availOf = (t: HostileTarget, slot: number): boolean =>
  (flagsOf(t, slot) & VRING_PACKED_DESC_F_AVAIL) !== 0;

/**
 * Where the driver writes next: the first slot whose round differs from that of slot 0; if there is none, a
 * new round begins.
 */
function next(t: HostileTarget): { slot: number; wrap: boolean } {
  const wrap = availOf(t, 0);
  for (let slot = 1; slot < t.ring.size; slot++) if (availOf(t, slot) !== wrap) return { slot, wrap };
  return { slot: 0, wrap: !wrap };
}

/** Slots that the device may use. */
function heldSlots(t: HostileTarget): number[] {
  return Array.from({ length: t.ring.size }, (_, slot) => slot).filter((slot) => {
    const bits = flagsOf(t, slot) & OWNER;
    return bits !== 0 && bits !== OWNER;
  });
}

/**
 * Makes every slot part of one list, writing the next slot last, so that the device never sees half of it.
 */
function listWithoutEnd(t: HostileTarget, len: number): void {
  const buffer = { addr: t.gpa, len, flags: direction(t) | VRING_DESC_F_NEXT };
  const { slot, wrap } = next(t);
  for (let ahead = t.ring.size - 1; ahead >= 0; ahead--) {
    const at = (slot + ahead) % t.ring.size;
    if (t.role === 'rx') write(t, at, buffer);
    else write(t, at, buffer, owner(at >= slot ? wrap : !wrap));
  }
}

/** Writes a descriptor; the ownership bits are written last, and are kept when omitted. */
function write(t: HostileTarget, slot: number, { addr, len, flags }: HostileBuffer, whose?: number): void {
  const base = offsetOf(t, slot);
  writeField(t.view, fields.addr, addr, base);
  writeField(t.view, fields.len, len, base);
  writeField(t.view, fields.id, slot, base);
  const word = new Uint16Array(t.view.buffer, t.view.byteOffset + base + fields.flags.offset, 1);
  Atomics.store(word, 0, flags | (whose ?? flagsOf(t, slot) & OWNER));
}
