// SPDX-License-Identifier: BSD-3-Clause
// Signals that end a run.
import { afterEach, expect, it, vi } from 'vitest';
import { Interrupt } from './interrupt.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const before = new Map(SIGNALS.map((signal) => [signal, process.listeners(signal)]));
const own = (signal: NodeJS.Signals) =>
  process.listeners(signal).filter((each) => !before.get(signal as 'SIGINT')?.includes(each));
afterEach(() => {
  for (const signal of SIGNALS) for (const listener of own(signal)) process.off(signal, listener);
  vi.restoreAllMocks();
});

/** What signals at these milliseconds do. */
function ending(signals: readonly (readonly [signal: NodeJS.Signals, at: number])[], key = false) {
  let now = 0;
  const done: string[] = [];
  vi.spyOn(process, 'exit').mockImplementation((code) => {
    done.push(`exit ${code}`);
    return undefined as never;
  });
  const interrupt = new Interrupt(() => now);
  interrupt.onInterrupt(() => done.push('in order'));
  if (key) interrupt.raise();
  for (const [signal, at] of signals) {
    now = at;
    for (const listener of own(signal)) listener(signal);
  }
  return done;
}

it('a signal ends a run in order, and a second one the program', () => {
  expect(ending([['SIGINT', 1000]])).toEqual(['in order']);
  expect(
    ending([
      ['SIGINT', 1000],
      ['SIGTERM', 1500],
    ]),
  ).toEqual(['in order', 'exit 143']);
});

it('a signal ends the program where a key has ended the run', () => {
  expect(ending([['SIGINT', 1000]], true)).toEqual(['in order', 'exit 130']);
});

it('two signals at once are one', () => {
  expect(
    ending([
      ['SIGINT', 1000],
      ['SIGINT', 1001],
    ]),
  ).toEqual(['in order']);
  expect(
    ending([
      ['SIGINT', 1000],
      ['SIGINT', 1001],
      ['SIGINT', 1300],
    ]),
  ).toEqual(['in order', 'exit 130']);
});
