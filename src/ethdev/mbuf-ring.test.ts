// SPDX-License-Identifier: BSD-3-Clause
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { expect } from 'vitest';
import { MbufRing } from './mbuf-ring.ts';

property.prop([fc.constantFrom(1, 2, 8), fc.array(fc.option(fc.nat()))])(
  'a ring is a list with a bound',
  (capacity, steps) => {
    const ring = new MbufRing(capacity);
    const list: number[] = [];
    for (const id of steps) {
      if (id !== null && list.length < capacity) {
        ring.push(id);
        list.push(id);
      } else if (list.length > 0) {
        expect(ring.shift()).toBe(list.shift());
      }
      expect([ring.length, ring.room]).toEqual([list.length, capacity - list.length]);
    }
  },
);
