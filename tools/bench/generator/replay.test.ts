// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { compareReplay } from './replay.ts';

const packets = (...times: number[]) => times.map((us, i) => ({ us, bytes: Buffer.of(i) }));

it('a replay is judged by gaps within 5 us or 1 %, and byte for byte', () => {
  const sent = packets(0, 100, 200, 1200, 1300);
  const arrived = packets(7000, 7104, 7200, 8209, 8300);
  expect(compareReplay(sent, arrived)).toEqual({
    ...{ packets: 5, whole: 5, near: 0.75, medianUs: 6.5, p99Us: 9 },
  });
});

it('what did not arrive is neither whole nor near', () => {
  const sent = packets(0, 100, 200);
  expect(compareReplay(sent, [])).toMatchObject({ packets: 3, whole: 0, near: 0 });
  expect(compareReplay(sent, packets(0, 100).reverse())).toMatchObject({ whole: 0 });
});
