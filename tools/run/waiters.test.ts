// SPDX-License-Identifier: BSD-3-Clause
import { expect, it, vi } from 'vitest';
import { Waiters } from './waiters.ts';

const LONG_MS = 1e6;

it('wakes all that wait, and leaves no timer', async () => {
  vi.useFakeTimers();
  try {
    const waiters = new Waiters();
    const both = Promise.all([waiters.wait(LONG_MS), waiters.wait(LONG_MS)]);
    waiters.wake();
    await both;
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

it('ends a wait after its time, not before', async () => {
  vi.useFakeTimers();
  try {
    const over = vi.fn();
    void new Waiters().wait(5).then(over);
    await vi.advanceTimersByTimeAsync(4);
    expect(over).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(over).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
});
