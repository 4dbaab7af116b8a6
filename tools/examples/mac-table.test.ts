// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { MacTable } from './mac-table.ts';

/** An address of which only the number differs. */
const mac = (number: number) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, 0x0200_0000_0000n + BigInt(number));
  return bytes.subarray(2);
};

describe('the table of MAC addresses', () => {
  it('knows where an address was seen last', () => {
    const table = new MacTable(8, 10);
    expect(table.lookup(mac(1), 0, 0)).toBe(-1);
    table.learn(mac(1), 0, 3, 0);
    expect(table.lookup(mac(1), 0, 0)).toBe(3);
    table.learn(mac(1), 0, 5, 1);
    expect(table.lookup(mac(1), 0, 1)).toBe(5);
    expect(table.lookup(mac(2), 0, 1)).toBe(-1);
  });

  it('forgets an address that was not seen for longer than the greatest age', () => {
    const table = new MacTable(8, 10);
    table.learn(mac(1), 0, 3, 100);
    expect([110, 111].map((now) => table.lookup(mac(1), 0, now))).toEqual([3, -1]);
    table.learn(mac(1), 0, 3, 111);
    expect(table.lookup(mac(1), 0, 121)).toBe(3);
  });

  it('tells apart addresses that differ in any bit', () => {
    const table = new MacTable(4096, 10);
    const address = Uint8Array.from([0x02, 0xf0, 0x0f, 0x80, 0x01, 0xff]);
    table.learn(address, 0, 1, 0);
    for (let bit = 0; bit < 48; bit++) {
      const other = Uint8Array.from(address);
      other[bit >>> 3] ^= 1 << (bit & 7);
      expect(table.lookup(other, 0, 0), `bit ${bit}`).toBe(-1);
    }
  });

  it('keeps the four addresses of a set that were seen last, however many come', () => {
    // Two sets of four: of more than eight addresses, some are in the same set.
    const table = new MacTable(8, 1_000_000);
    const known = () =>
      Array.from({ length: 1000 }, (_, i) => i).filter((i) => table.lookup(mac(i), 0, 1000) >= 0);
    for (let i = 0; i < 1000; i++) table.learn(mac(i), 0, 1, i);
    expect(known()).toHaveLength(8);
    expect(known()).toContain(999);
    expect(Math.min(...known())).toBeGreaterThan(900);
  });

  it('holds what an ordinary network has', () => {
    const table = new MacTable(4096, 10);
    for (let i = 0; i < 1024; i++) table.learn(mac(i), 0, i % 7, 0);
    const right = Array.from({ length: 1024 }, (_, i) => table.lookup(mac(i), 0, 0) === i % 7);
    expect(right.filter(Boolean).length).toBeGreaterThan(1000);
  });
});
