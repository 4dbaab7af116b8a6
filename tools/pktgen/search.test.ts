// SPDX-License-Identifier: BSD-3-Clause
// The search against devices of known capacity.
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Outcome, type SearchPlan, searchRate } from './search.ts';

const PLAN: SearchPlan = {
  limits: { loss: 0, unsent: 0.001, latencyNs: Number.POSITIVE_INFINITY },
  ...{ highest: 20e6, precision: 0.005, timeBound: 1000 },
};

/** Drops what exceeds its capacity. */
const dropping =
  (capacity: number) =>
  async (pps: number): Promise<Outcome> => {
    const sent = Math.round(pps);
    const received = Math.min(sent, Math.floor(capacity));
    const counts = { offered: sent, sent, unsent: 0, received, lost: sent - received };
    return { ...counts, seconds: 1, p99Ns: pps / 10, disturbed: false };
  };

describe('the search', () => {
  property.prop([fc.double({ min: 2000, max: 20e6, noNaN: true })])(
    'finds the capacity of a device that drops, in few trials',
    async (capacity) => {
      const { pps, steps, complete } = await searchRate(PLAN, dropping(capacity));
      expect(complete).toBe(true);
      expect(pps).toBeLessThanOrEqual(capacity + 1);
      expect(pps).toBeGreaterThan(0.994 * capacity);
      expect(steps.length).toBeLessThan(8);
    },
  );

  property.prop([
    fc.double({ min: 2000, max: 20e6, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
  ])(
    'finds the capacity of a device that is no help: above it, any share is lost',
    async (capacity, share) => {
      const trial = async (pps: number) => {
        const outcome = await dropping(capacity)(pps);
        const lost = outcome.lost === 0 ? 0 : Math.max(1, Math.round(share * outcome.sent));
        return { ...outcome, lost, received: outcome.sent - lost };
      };
      const { pps, steps, complete } = await searchRate(PLAN, trial);
      expect(complete).toBe(true);
      expect(pps).toBeLessThanOrEqual(capacity + 1);
      expect(pps).toBeGreaterThan(0.994 * capacity);
      expect(steps.length).toBeLessThan(40);
    },
  );

  it('is over after one trial if the highest rate passes', async () => {
    expect(await searchRate(PLAN, dropping(30e6))).toMatchObject({ pps: 20e6, failed: null, complete: true });
  });

  it('allows some loss where that is asked for', async () => {
    const plan = { ...PLAN, limits: { ...PLAN.limits, loss: 0.1 } };
    const { pps } = await searchRate(plan, dropping(9e6));
    expect(pps / 10e6).toBeGreaterThan(0.99);
    expect(pps / 10e6).toBeLessThanOrEqual(1.001);
  });

  it('keeps to a limit of latency', async () => {
    const plan = { ...PLAN, limits: { ...PLAN.limits, latencyNs: 500_000 } };
    const { pps } = await searchRate(plan, dropping(30e6));
    expect(pps / 5e6).toBeGreaterThan(0.99);
    expect(pps / 5e6).toBeLessThanOrEqual(1);
  });

  it('ends at its time bound with what it has', async () => {
    let now = 0;
    const trial = (pps: number) => {
      now += 10;
      return dropping(3e6)(pps);
    };
    const { complete, steps, pps } = await searchRate(
      { ...PLAN, timeBound: 20 },
      trial,
      undefined,
      () => now,
    );
    expect([complete, steps.length]).toEqual([false, 2]);
    expect(pps).toBeGreaterThan(2.9e6);
  });

  it('repeats a trial that failed while the generator had lost its CPU', async () => {
    let trials = 0;
    const trial = async (pps: number) => {
      const outcome = await dropping(30e6)(pps);
      return ++trials < 3 ? { ...outcome, lost: 1, received: outcome.sent - 1, disturbed: true } : outcome;
    };
    expect(await searchRate(PLAN, trial)).toMatchObject({ pps: 20e6, complete: true });
    expect(trials).toBe(3);
  });
});
