// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { compareReplay } from './replay.ts';

const packets = (...times: number[]) => times.map((us, i) => ({ us, bytes: Buffer.of(i) }));

const none = () => false;

it('a replay is judged by gaps within 5 us or 1 %, and byte for byte', () => {
  const sent = packets(0, 100, 200, 1200, 1300);
  const arrived = packets(7000, 7104, 7200, 8209, 8300);
  const gaps = { packets: 5, whole: 5, near: 0.75, medianUs: 6.5, p99Us: 9 };
  expect(compareReplay(sent, arrived, none)).toEqual({ ...gaps, undisturbed: 4, nearUndisturbed: 0.75 });
  // The last gap is 9 us off, and a loop had lost its CPU in it.
  const last = (packet: number) => packet === 4;
  expect(compareReplay(sent, arrived, last)).toEqual({ ...gaps, undisturbed: 3, nearUndisturbed: 1 });
  const all = () => true;
  expect(compareReplay(sent, arrived, all)).toMatchObject({ undisturbed: 0, nearUndisturbed: null });
});

it('what did not arrive is neither whole nor near', () => {
  const sent = packets(0, 100, 200);
  expect(compareReplay(sent, [], none)).toMatchObject({ packets: 3, whole: 0, near: 0 });
  expect(compareReplay(sent, packets(0, 100).reverse(), none)).toMatchObject({ whole: 0 });
});
