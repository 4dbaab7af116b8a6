// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { KEYS } from './keys.ts';
import { COLUMNS, LINES, pageLines } from './live.ts';
import type { LatencySummary, StreamResult, TrialResult } from './result.ts';

const huge = 123_456_789_012;
const latency: LatencySummary = {
  ...{ samples: huge, minNs: 1e9, avgNs: 1e9, p50Ns: 1e9, p90Ns: 1e9, p99Ns: 1e9, p999Ns: 1e9 },
  ...{ maxNs: 1e9, jitterNs: 1e9 },
};
const counts = {
  ...{ offered: huge, sent: huge, unsent: huge, received: huge, inFlight: huge, lost: huge, reordered: huge },
  ...{ duplicates: huge, txBytes: huge, rxBytes: huge, latency },
};
const result = (streams: number): TrialResult => ({
  ...counts,
  seconds: 86_400,
  streams: Array.from(
    { length: streams },
    (_, i): StreamResult => ({ name: `a long name of stream ${i}`, ...counts }),
  ),
  gaps: {
    ...{ samples: huge, medianNs: 1e9, p99Ns: 1e9 },
    ...{ near: 1, undisturbed: huge, nearUndisturbed: 1, away: huge },
  },
  ...{ foreign: huge, queueFull: huge, stalls: { count: huge, longestUs: 1e9, share: 1 } },
});

it.each([1, 2, 256])('the page fits 80 x 24 with %i streams and the largest figures', (streams) => {
  const context = {
    headline: 'x'.repeat(200),
    factor: 1000,
    returns: true,
    footer: KEYS,
    selected: streams - 1,
    isStopped: () => true,
  };
  const lines = pageLines(result(streams), undefined, context);
  expect(lines.length).toBeLessThanOrEqual(LINES);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(COLUMNS);
  expect(lines.at(-1)).toMatch(/^keys: /);
});

it('the page of any generator has no control characters', () => {
  const context = { headline: 'a\u001b[2Jb', factor: 1, returns: true, footer: ':\u009b31m_', selected: 1 };
  const named = result(2);
  const streams = named.streams.map((stream) => ({ ...stream, name: '\u001b]0;x\u0007\n' }));
  const page = pageLines({ ...named, streams }, undefined, context);
  expect(page.join('')).not.toMatch(/\p{Cc}/u);
  expect([page[0], page.at(-1)]).toEqual(['a [2Jb', ': 31m_']);
});
