// SPDX-License-Identifier: BSD-3-Clause
import { fc, it as property } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import { Pace } from './pace.ts';

describe('a pace', () => {
  it('has frame 0 due at its start, and one more after each interval', () => {
    const pace = new Pace(1000, 50);
    expect([999, 1000, 1049, 1050, 1099, 1100].map((now) => pace.dueBy(now))).toEqual([0, 1, 1, 2, 2, 3]);
    expect([0, 1, 10].map((frame) => pace.dueAt(frame))).toEqual([1000, 1050, 1500]);
  });

  it('keeps frames delayed by a stall due at their own times', () => {
    const pace = new Pace(0, 10);
    expect(pace.dueBy(95)).toBe(10);
    expect(pace.dueBy(10_095) - pace.dueBy(95)).toBe(1000);
    expect(pace.dueAt(500)).toBe(5000);
  });

  it('that is delayed has every frame due that much later', () => {
    const pace = new Pace(1000, 50);
    pace.delay(200);
    expect([1199, 1200, 1250].map((now) => pace.dueBy(now))).toEqual([0, 1, 2]);
    expect([0, 1].map((frame) => pace.dueAt(frame))).toEqual([1200, 1250]);
  });

  it('without an interval is an error', () => {
    expect(() => new Pace(0, 0)).toThrow(RangeError);
    expect(() => new Pace(0, Number.NaN)).toThrow(RangeError);
  });

  const tick = fc.integer({ min: 0, max: 2 ** 50 });
  // Beyond 2^53 ticks, a month of uptime, a double cannot represent single ticks.
  property.prop([tick, fc.double({ min: 1, max: 1e6, noNaN: true }), fc.integer({ min: 0, max: 2 ** 30 })])(
    'counts a frame as due within a tick of its time',
    (start, interval, frame) => {
      const pace = new Pace(start, interval);
      const at = pace.dueAt(frame);
      expect(pace.dueBy(at + 1)).toBeGreaterThanOrEqual(frame + 1);
      expect(pace.dueBy(at - 1)).toBeLessThanOrEqual(frame + 1);
    },
  );

  property.prop([tick, fc.double({ min: 1, max: 1e10, noNaN: true }), tick, tick])(
    'never decreases the number of due frames',
    (start, interval, a, b) => {
      const pace = new Pace(start, interval);
      expect(pace.dueBy(Math.min(a, b))).toBeLessThanOrEqual(pace.dueBy(Math.max(a, b)));
    },
  );
});
