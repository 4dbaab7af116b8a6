// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { interrupt, interruptible, resultUntil, roundsUntil } from './interruption.ts';

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
