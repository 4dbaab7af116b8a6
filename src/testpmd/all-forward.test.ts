// SPDX-License-Identifier: BSD-3-Clause
import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import type { Lcore } from '../lcore/lcore.ts';
import { allForward } from './all-forward.ts';

const counted = (n: number) => new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)).fill(n);
const lcores = (exited = new Promise<void>(() => {})) => [{ exited } as Lcore];
const waiters = (signal: AbortSignal) => getEventListeners(signal, 'abort');

it('regression: leaves no listener at the signal, which outlives the run, when all lcores forward', async () => {
  const { signal } = new AbortController();
  await allForward(counted(1), lcores(), signal);
  expect(waiters(signal)).toEqual([]);
});

it('rejects when an lcore fails, and leaves no listener either', async () => {
  const { signal } = new AbortController();
  const failed = lcores(Promise.reject(new Error('failed')));
  await expect(allForward(counted(0), failed, signal)).rejects.toThrow('failed');
  expect(waiters(signal)).toEqual([]);
});

it('resolves before all lcores forward when the session is to end', async () => {
  const session = new AbortController();
  const waiting = allForward(counted(0), lcores(), session.signal);
  session.abort();
  await waiting;
  await allForward(counted(0), lcores(), session.signal);
  expect(waiters(session.signal)).toEqual([]);
});
