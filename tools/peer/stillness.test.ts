// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { noStats } from './stats.ts';
import { Stillness } from './stillness.ts';

/** What becomes of each period's line, in which so many frames were received. */
function lines(seconds: number, ...received: number[]): string[] {
  const still = new Stillness();
  let before = noStats();
  return received.map((frames) => {
    const now = { ...before, rxPackets: before.rxPackets + frames };
    const { shown, told } = still.take(now, before, seconds);
    before = now;
    return `${told === undefined ? '' : `${told.split(':')[0]}; `}${shown ? 'shown' : 'hidden'}`;
  });
}

it('says once that nothing passes any more, and shows no more lines until something does', () => {
  const told = 'No frame passes any more; shown';
  expect(lines(1, 5, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0)).toEqual([
    ...['shown', 'shown', 'shown', told, 'hidden', 'hidden'],
    ...['shown', 'shown', 'shown', told, 'hidden'],
  ]);
});

it('says that nothing has passed yet, but not after less than a second', () => {
  expect(lines(0.25, 0, 0, 0, 0, 0)).toEqual([
    ...['shown', 'shown', 'shown', 'No frame has passed yet; shown', 'hidden'],
  ]);
});

it('shows a line now and then, by which a program finds that its reader is gone', () => {
  const shown = lines(1, ...new Array(180).fill(0)).flatMap((line, i) => (line === 'shown' ? [i + 1] : []));
  expect(shown).toEqual([1, 2, 60, 120, 180]);
});

it('sees frames that are only sent', () => {
  const still = new Stillness();
  for (let sent = 1; sent < 9; sent++)
    expect(still.take({ ...noStats(), txPackets: sent }, { ...noStats(), txPackets: sent - 1 }, 1)).toEqual({
      shown: true,
    });
});
