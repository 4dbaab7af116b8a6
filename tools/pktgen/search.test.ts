// SPDX-License-Identifier: BSD-3-Clause
// The search against devices of known capacity.
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outcomeOf } from './outcome.ts';
import type { TrialResult } from './result.ts';
import { endsLoss, lossRow } from './rfc2544.ts';
import type { LossRow } from './rfc2544-row.ts';
import { doubtsOf, failureOf, NOTHING, type Outcome, type SearchPlan, searchRate } from './search.ts';
import { foundText, rowLines } from './search-text.ts';

const PLAN: SearchPlan = {
  limits: { loss: 0, unsent: 0.001, latencyNs: Number.POSITIVE_INFINITY },
  ...{ highest: 20e6, precision: 0.005, timeBound: 1000 },
};

const BUSY = 'the machine is too busy, generator and peer need two free CPUs';

/** Drops what exceeds its capacity. */
const dropping =
  (capacity: number) =>
  async (pps: number): Promise<Outcome> => {
    const sent = Math.round(pps);
    const received = Math.min(sent, Math.floor(capacity));
    const counts = { offered: sent, sent, unsent: 0, received, lost: sent - received };
    return { ...counts, seconds: 1, p99Ns: pps / 10, queueFull: 0, disturbed: false };
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
    expect((pps as number) / 10e6).toBeGreaterThan(0.99);
    expect((pps as number) / 10e6).toBeLessThanOrEqual(1.001);
  });

  it('keeps to a limit of latency', async () => {
    const plan = { ...PLAN, limits: { ...PLAN.limits, latencyNs: 500_000 } };
    const { pps } = await searchRate(plan, dropping(30e6));
    expect((pps as number) / 5e6).toBeGreaterThan(0.99);
    expect((pps as number) / 5e6).toBeLessThanOrEqual(1);
  });

  it('ends at its time bound with what it has', async () => {
    let now = 0;
    const trial = (pps: number) => {
      now += 10;
      return dropping(3e6)(pps);
    };
    const { complete, steps, pps } = await searchRate({ ...PLAN, timeBound: 20 }, trial, {
      now: () => now,
    });
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

  it('believes a disturbed failure only when repeating it would take the time of the search', async () => {
    let now = 0;
    const trial = async (pps: number) => {
      now += 10;
      const outcome = await dropping(30e6)(pps);
      return { ...outcome, lost: 1, received: outcome.sent - 1, disturbed: true };
    };
    const { steps } = await searchRate({ ...PLAN, timeBound: 120 }, trial, { now: () => now });
    const attempts = (pps: number | undefined) => steps.filter((step) => step.pps === pps).length;
    expect([attempts(20e6), attempts(steps.at(-1)?.pps)]).toEqual([3, 1]);
    expect(now).toBeLessThanOrEqual(130);
  });

  it('on a busy machine, does not repeat in vain until its time is over, and is not reliable', async () => {
    let now = 0;
    const trial = async (pps: number) => {
      now += 2.2;
      const outcome = await dropping(30e6)(pps);
      return pps > 5e6 ? { ...outcome, lost: 1, received: outcome.sent - 1, disturbed: true } : outcome;
    };
    const result = await searchRate({ ...PLAN, timeBound: 120 }, trial, { now: () => now });
    const failed = [...new Set(result.steps.filter(({ failure }) => failure !== null).map(({ pps }) => pps))];
    const attempts = failed.map((pps) => result.steps.filter((step) => step.pps === pps).length);
    expect(attempts.slice(0, 5)).toEqual([8, 4, 2, 1, 1]);
    expect([result.complete, doubtsOf(result).reliable]).toEqual([true, false]);
    expect(now).toBeLessThan(70);
  });

  it('is reliable if what failed while disturbed passed when repeated', async () => {
    let trials = 0;
    const trial = async (pps: number) => {
      const outcome = await dropping(30e6)(pps);
      return ++trials < 3 ? { ...outcome, lost: 1, received: outcome.sent - 1, disturbed: true } : outcome;
    };
    expect(doubtsOf(await searchRate(PLAN, trial))).toEqual({ disturbed: 2, reliable: true });
  });
});

describe('a trial with stalls', () => {
  const disturbed = (lost: number, unsent: number, share: number) => {
    const counts = { offered: 10_000, sent: 10_000 - unsent, unsent, received: 10_000 - unsent - lost, lost };
    const stalls = { count: 1, longestUs: 1000, share };
    const result = { ...counts, seconds: 1, latency: null, queueFull: 0, stalls };
    return outcomeOf(result as unknown as TrialResult).disturbed;
  };

  it('is disturbed where these may be why frames are missing', () => {
    expect([disturbed(0, 0, 0.001), disturbed(15, 15, 0.001)]).toEqual([true, true]);
  });

  it('is not where more is missing, or where they were short', () => {
    expect([disturbed(5000, 0, 0.001), disturbed(0, 50, 0.001)]).toEqual([false, false]);
    expect(disturbed(1, 0, 0.0001)).toBe(false);
  });
});

describe('a trial in which frames were unsent', () => {
  const outcome: Outcome = {
    ...{ offered: 1000, sent: 900, unsent: 100, received: 900, lost: 0, seconds: 1, p99Ns: 0 },
    ...{ queueFull: 3, disturbed: false },
  };

  it('names what is known of the cause', () => {
    const failure = (more: Partial<Outcome>) => failureOf({ ...outcome, ...more }, PLAN.limits);
    expect(failure({})).toBe('queue full: unsent 100');
    expect(failure({ queueFull: 0 })).toBe('generator too late: unsent 100');
    // A loop that was away has much to send at once, which also fills the queue.
    expect(failure({ disturbed: true })).toBe('generator had lost its CPU: unsent 100');
  });
});

describe('a search that finds nothing', () => {
  const losing = (disturbed: boolean) => async (pps: number) => {
    const outcome = await dropping(1e9)(pps);
    return { ...outcome, received: outcome.sent - 1, lost: 1, disturbed };
  };

  it('says so, and has no rate', async () => {
    const result = await searchRate(PLAN, losing(false));
    expect(result.pps).toBeNull();
    expect(foundText(result)).toMatch(/^none found; all of \d+ trials failed down to \d+\.\d pps$/);
    expect(doubtsOf(result)).toEqual({ disturbed: 0, reliable: true });
  });

  it('regression: is not reliable if nearly all trials that failed were disturbed, whatever the last was', () => {
    const outcome = {
      ...{
        offered: 1000,
        sent: 1000,
        unsent: 0,
        received: 900,
        lost: 100,
        seconds: 1,
        p99Ns: 0,
        queueFull: 0,
      },
      failure: 'lost 100',
    };
    const steps = [...Array(7).fill(true), false].map((disturbed) => ({ ...outcome, pps: 2e6, disturbed }));
    const passed = { ...outcome, pps: 1e6, lost: 0, failure: null, disturbed: false };
    expect(doubtsOf({ steps: [...steps, passed] })).toEqual({ disturbed: 7, reliable: false });
    // Where a trial passed in the end, those that failed before say nothing.
    expect(doubtsOf({ steps: [...steps, { ...passed, pps: 2e6 }] })).toEqual({
      disturbed: 7,
      reliable: true,
    });
  });

  it('says that no trial was reliable', async () => {
    const result = await searchRate(PLAN, losing(true));
    expect(foundText(result)).toBe(`none found; every trial was disturbed: ${BUSY}`);
    expect(doubtsOf(result)).toEqual({ disturbed: result.steps.length, reliable: false });
  });

  it('regression: on a machine that disturbs every trial, went on down to 8 frames per second', async () => {
    const { pps, complete, steps } = await searchRate(PLAN, losing(true));
    expect([pps, complete]).toEqual([null, true]);
    expect(steps.at(-1)?.pps).toBeGreaterThan(0.02 * PLAN.highest);
    // One that was not disturbed says something of the device.
    let trials = 0;
    const once = (at: number) => losing(++trials !== 3)(at);
    expect((await searchRate(PLAN, once)).failed).toBeLessThan(0.001 * PLAN.highest);
  });

  it('says that it was interrupted, or out of time', async () => {
    let trials = 0;
    const trial = (pps: number) => {
      trials++;
      return dropping(3e6)(pps);
    };
    const out = await searchRate({ ...PLAN, timeBound: 20 }, trial, { now: () => 10 * trials });
    expect([out.complete, out.interrupted]).toEqual([false, false]);
    expect(foundText(out)).toMatch(/, 2 trials; ended early \(--search-time\)$/);
    const cut = await searchRate(PLAN, trial, { interrupted: () => trials >= 4 });
    expect([cut.complete, cut.interrupted, cut.steps.length]).toEqual([false, true, 1]);
    expect(foundText(cut)).toBe('none found; interrupted after 1 trial, which failed at 20.000 Mpps');
  });

  it('does not count the trial that an interrupt cut short', async () => {
    let trials = 0;
    const trial = (pps: number) => {
      trials++;
      return dropping(30e6)(pps);
    };
    const result = await searchRate(PLAN, trial, { interrupted: () => trials === 1 });
    expect(result).toMatchObject({ pps: null, steps: [], interrupted: true });
    expect(foundText(result)).toBe('none found; interrupted before the first trial ended');
  });
});

describe('frame loss (RFC 2544, 26.3)', () => {
  const row = (counts: Partial<Outcome>) =>
    lossRow(1, 1000, { ...NOTHING, offered: 1000, sent: 1000, received: 1000, ...counts });

  it('regression: is the share of the frames that were offered to the device: nobody lost those unsent', () => {
    expect(row({ sent: 400, unsent: 600, received: 400 })).toMatchObject({ loss: 0, unsent: 0.6 });
    expect(row({ sent: 400, unsent: 600, received: 300, lost: 100 })).toMatchObject({
      loss: 0.25,
      unsent: 0.6,
    });
    expect(row({ offered: 0, sent: 0, received: 0 })).toMatchObject({ loss: 0, unsent: 0 });
  });

  it('ends after two trials without loss whose rates were offered', () => {
    const [whole, late, lossy] = [row({}), row({ sent: 400, unsent: 600 }), row({ lost: 1 })];
    const ends = (...rows: LossRow[]) => endsLoss(rows, 0.001);
    expect([ends(whole), ends(whole, whole), ends(lossy, whole, whole)]).toEqual([false, true, true]);
    expect([ends(late, whole), ends(late, late), ends(whole, lossy)]).toEqual([false, false, false]);
  });
});

describe('a row of RFC 2544', () => {
  it('says where nothing was found, and what was disturbed', async () => {
    const losing = async (pps: number) => {
      const outcome = await dropping(1e9)(pps);
      return { ...outcome, received: outcome.sent - 1, lost: 1, disturbed: true };
    };
    const search = await searchRate(PLAN, losing);
    const row = {
      ...{ size: 64, highest: 20e6, throughput: search.pps, search: { ...search, ...doubtsOf(search) } },
      loss: [
        { share: 1, pps: 20e6, loss: 0.5, unsent: 0.25, disturbed: true },
        { share: 0.9, pps: 18e6, loss: 0, unsent: 0, disturbed: false },
      ],
      ...{ backToBack: null, backToBackLimited: false, backToBackDisturbed: true },
    };
    expect(rowLines(row)).toEqual([
      `   64 bytes  throughput   none found; every trial was disturbed: ${BUSY}`,
      '   64 bytes  frame loss   50.00 % at 100 % (20.000 Mpps), unsent 25.00 % (disturbed)',
      '   64 bytes  frame loss   0 % at 90 % (18.000 Mpps)',
      '   64 bytes  back-to-back none found (disturbed)',
    ]);
    expect(row.throughput).toBeNull();
  });
});
