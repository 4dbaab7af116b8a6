// SPDX-License-Identifier: BSD-3-Clause
import { beforeEach, describe, expect, it } from 'vitest';
import { decode, encode, writeField } from '../../src/abi/layout.ts';
import { VRING_DESC, VRING_USED, VRING_USED_ELEM } from '../../src/abi/virtio-ring.ts';
import { availOffset, descOffset, usedOffset } from '../../tools/peer/memory-plan.ts';
import { ScriptedRing } from './scripted-ring.ts';

const GPA = 0x1_0000_0000n;
const place = { desc: 0, avail: 256, used: 512, size: 8 };
let ring: ScriptedRing;
let returned = 0;

beforeEach(() => {
  ring = make(0);
});

function make(startIndex: number): ScriptedRing {
  returned = startIndex;
  const options = {
    memory: new ArrayBuffer(8192),
    gpa: GPA,
    ring: place,
    buffers: { first: 1024, end: 8192 },
  };
  return new ScriptedRing({ ...options, startIndex });
}

const descriptor = (index: number) => decode(VRING_DESC, ring.view, descOffset(place, index));
const bytesAt = (addr: bigint, length: number) => ring.memory.read(Number(addr - GPA), length);

/** The device side, worked by hand. */
function giveBack(id: number, len: number): void {
  encode(VRING_USED_ELEM, { id, len }, ring.view, usedOffset(place, returned));
  returned = (returned + 1) & 0xffff;
  writeField(ring.view, VRING_USED.fields.idx, returned, place.used);
}

describe('a scripted ring', () => {
  it('posts a chain of any shape', () => {
    const head = ring.post([{ data: Uint8Array.of(1, 2, 3) }, { data: Uint8Array.of(4) }, { room: 10 }]);
    const first = descriptor(head);
    const second = descriptor(first.next);
    const third = descriptor(second.next);
    expect([first, second, third].map(({ len, flags }) => [len, flags])).toEqual([
      [3, 1],
      [1, 1],
      [10, 2],
    ]);
    expect(bytesAt(first.addr, 3)).toEqual(Uint8Array.of(1, 2, 3));
    expect(bytesAt(second.addr, 1)).toEqual(Uint8Array.of(4));
    expect(ring.view.getUint16(availOffset(place, 0), true)).toBe(head);
    expect(ring.view.getUint16(place.avail + 2, true)).toBe(1);
    expect(ring.free).toBe(5);
  });

  it('puts a chain into an indirect table', () => {
    const head = ring.post([{ data: Uint8Array.of(9) }, { room: 4 }], { indirect: true });
    const outer = descriptor(head);
    expect([outer.len, outer.flags]).toEqual([32, 4]);
    const table = Number(outer.addr - GPA);
    expect(decode(VRING_DESC, ring.view, table)).toMatchObject({ len: 1, flags: 1, next: 1 });
    expect(decode(VRING_DESC, ring.view, table + 16)).toMatchObject({ len: 4, flags: 2 });
    expect(ring.free).toBe(7);
  });

  it('collects what the device wrote, over all writable segments and no further', () => {
    const head = ring.post([{ data: Uint8Array.of(7) }, { room: 2 }, { room: 4 }]);
    const second = descriptor(descriptor(head).next);
    const third = descriptor(second.next);
    new Uint8Array(ring.view.buffer).set([1, 2], Number(second.addr - GPA));
    new Uint8Array(ring.view.buffer).set([3, 4, 5, 6], Number(third.addr - GPA));
    giveBack(head, 5);
    expect(ring.collect()).toEqual([{ id: head, len: 5, written: Uint8Array.of(1, 2, 3, 4, 5) }]);
    expect(ring.collect()).toEqual([]);
    expect(ring.free).toBe(8);
  });

  it('reports an id that was not posted unchanged', () => {
    giveBack(0xdead, 1);
    expect(ring.collect()).toEqual([{ id: 0xdead, len: 1, written: new Uint8Array() }]);
  });

  it('holds entries back until they are published', () => {
    ring.post([{ room: 1 }], { hold: true });
    expect(ring.view.getUint16(place.avail + 2, true)).toBe(0);
    ring.publish();
    expect(ring.view.getUint16(place.avail + 2, true)).toBe(1);
  });

  it('continues over the wrap of the indices', () => {
    ring = make(0xfffe);
    expect(ring.setup()).toMatchObject({
      lastAvailIdx: 0xfffe,
      desc: GPA,
      avail: GPA + 256n,
      used: GPA + 512n,
      size: 8,
    });
    const heads = [1, 2, 3].map((value) => ring.post([{ data: Uint8Array.of(value) }]));
    expect(ring.view.getUint16(place.avail + 2, true)).toBe(1);
    for (const head of heads) giveBack(head, 0);
    expect(ring.collect().map(({ id }) => id)).toEqual(heads);
  });

  it('reuses descriptors and buffers indefinitely', () => {
    for (let round = 0; round < 1000; round++) {
      giveBack(ring.post([{ room: 700 }, { room: 700 }]), 0);
      ring.collect();
    }
    expect(ring.free).toBe(8);
  });

  it('reports when descriptors or memory run out', () => {
    expect(() => ring.post(Array.from({ length: 9 }, () => ({ room: 1 })))).toThrow(
      /8 free descriptors, but 9/,
    );
    expect(() => ring.post([{ room: 9000 }])).toThrow(/no buffer memory/);
  });
});
