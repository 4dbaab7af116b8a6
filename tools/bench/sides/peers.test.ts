// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { windowRates } from './peers.ts';

describe('the rates of a window', () => {
  it('count from its first report, whose own period lies before the window', () => {
    const lines = [
      { seconds: 9, txPackets: 100, rxPackets: 50 },
      { seconds: 0.5, txPackets: 200, rxPackets: 60 },
      { seconds: 0.5, txPackets: 300, rxPackets: 80 },
    ];
    expect(windowRates(lines)).toEqual({ rxPps: 30, txPps: 200 });
  });
  it('are an error for a window of zero length', () => {
    expect(() => windowRates([{ seconds: 1, txPackets: 1, rxPackets: 1 }])).toThrow(RangeError);
    expect(() => windowRates([])).toThrow(RangeError);
  });
});
