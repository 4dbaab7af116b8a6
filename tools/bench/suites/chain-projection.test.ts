// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { projectedMpps } from './chain-projection.ts';

describe("a chain's projected rate", () => {
  it('is that of the CPU with fewer guests times their number, and that of the switch alone', () => {
    const measured = { ours: 3, ovs: 0.5 };
    const of = (guests: number) => projectedMpps({ guests, measured, switching: 200, tscMhz: 2800 });
    expect(of(7)).toEqual({ ours: 9, ovs: 1 });
    expect(of(2)).toEqual({ ours: 3, ovs: 3.5 });
  });

  it('regression: is never below what was measured with fewer cores', () => {
    // Measured: 0.86 Mpps leave 215 cycles for a packet and hop, and the switch's counter said 309.
    const measured = { ours: 5.9, ovs: 0.86 };
    const { ours, ovs } = projectedMpps({ guests: 7, measured, switching: 309, tscMhz: 2600 });
    expect([ours >= measured.ours, ovs]).toEqual([true, measured.ovs]);
  });
});
