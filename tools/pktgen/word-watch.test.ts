// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, expect, it, vi } from 'vitest';
import { WordWatch } from './word-watch.ts';

const LONG_MS = 1e6;
afterEach(() => {
  vi.restoreAllMocks();
});

function watched() {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const change = (value: number) => {
    Atomics.store(words, 1, value);
    Atomics.notify(words, 1);
  };
  return { watch: new WordWatch(words, 1), change };
}

it('a change wakes whoever waits for it, each time', async () => {
  const { watch, change } = watched();
  for (const value of [0, 1, 2]) {
    const both = Promise.all([watch.changedFrom(value, LONG_MS), watch.changedFrom(value, LONG_MS)]);
    change(value + 1);
    await both;
  }
});

it('a word that has changed already is not waited for', async () => {
  const { watch, change } = watched();
  change(5);
  await watch.changedFrom(0, LONG_MS);
});

it('regression: looks at a word that does not change share one waiter, which stays in memory until then', async () => {
  const waiters = vi.spyOn(Atomics, 'waitAsync');
  const { watch, change } = watched();
  for (let look = 0; look < 20; look++) await watch.changedFrom(0, 1);
  expect(waiters).toHaveBeenCalledTimes(1);
  const woken = watch.changedFrom(0, LONG_MS);
  change(1);
  await woken;
  await watch.changedFrom(1, 1);
  expect(waiters).toHaveBeenCalledTimes(2);
});
