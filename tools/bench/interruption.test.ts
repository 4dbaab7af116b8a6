// SPDX-License-Identifier: BSD-3-Clause
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { interrupt, interruptible, resultsUntil, resultUntil, roundsUntil } from './interruption.ts';

const never = new Promise<never>(() => {});

describe('rounds', () => {
  it('are all played, in order, without a signal', async () => {
    expect(await roundsUntil(undefined, 3, async (number) => number)).toEqual([1, 2, 3]);
    expect(await roundsUntil(interruptible(), 2, async (number) => number)).toEqual([1, 2]);
  });

  it('until a signal are kept, and the one under way is not waited for', async () => {
    const signal = interruptible();
    const rounds = roundsUntil(signal, 9, async (number) => {
      if (number < 3) return number;
      interrupt(130);
      return never;
    });
    expect(await resultUntil(signal, rounds)).toEqual([1, 2]);
    expect(signal.reason).toBe(130);
  });

  it('that fail are an error, and that fail after a signal are no result', async () => {
    const fails = async () => {
      throw new Error('no traffic');
    };
    await expect(resultUntil(interruptible(), roundsUntil(undefined, 1, fails))).rejects.toThrow(
      'no traffic',
    );
    const signal = interruptible();
    interrupt(143);
    expect(await resultUntil(signal, roundsUntil(signal, 5, fails))).toBeUndefined();
  });
});

it('regression: many cases leave no listeners behind', async () => {
  const signal = interruptible();
  for (let i = 0; i < 3; i++)
    await resultUntil(
      signal,
      roundsUntil(signal, 1, async () => 1),
    );
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

describe('the comparisons of a case', () => {
  const upTo = (last: number) => async (item: number) => {
    if (item <= last) return item * 10;
    interrupt(130);
    throw 130;
  };

  it('until a signal are kept', async () => {
    expect(await resultsUntil(interruptible(), [1, 2], upTo(2))).toEqual([10, 20]);
    expect(await resultsUntil(interruptible(), [1, 2, 3], upTo(1))).toEqual([10]);
    const signal = interruptible();
    const last = async (item: number) => {
      interrupt(130);
      return item;
    };
    expect(await resultsUntil(signal, [1, 2], last)).toEqual([1]);
  });

  it('are no result without any, and an error without a signal', async () => {
    await expect(resultsUntil(interruptible(), [1], upTo(0))).rejects.toBe(130);
    const fails = async (item: number) => {
      if (item > 1) throw new Error('no traffic');
    };
    await expect(resultsUntil(undefined, [1, 2], fails)).rejects.toThrow('no traffic');
  });
});
