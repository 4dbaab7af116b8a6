// SPDX-License-Identifier: BSD-3-Clause
import { PassThrough } from 'node:stream';
import { setImmediate as nextRound } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Interrupt } from './interrupt.ts';
import { KEYS } from './keys.ts';
import { COLUMNS, LINES, LivePage, type PageInput, pageLines } from './live.ts';
import { RateControl } from './rate-control.ts';
import type { LatencySummary, StreamResult, TrialResult } from './result.ts';
import { periodLine } from './text.ts';
import { type LiveState, pageView } from './view.ts';
import { Workload } from './workload.ts';

const huge = 123_456_789_012;
const latency: LatencySummary = {
  ...{ samples: huge, minNs: 1e9, avgNs: 1e9, p50Ns: 1e9, p90Ns: 1e9, p99Ns: 1e9, p999Ns: 1e9 },
  ...{ maxNs: 1e9, jitterNs: 1e9, percentile: () => 1e9, percentiles: () => [], hgrm: () => '' },
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
    stopped: Array.from({ length: streams }, (_, i) => i),
  };
  const lines = pageLines(result(streams), undefined, context);
  expect(lines.length).toBeLessThanOrEqual(LINES);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(COLUMNS);
  expect(lines.at(-1)).toMatch(/^keys: /);
});

it('the page of any generator has no control characters', () => {
  const context = {
    headline: 'a\u001b[2Jb',
    factor: 1,
    returns: true,
    footer: ':\u009b31m_',
    selected: 1,
    stopped: [0],
  };
  const named = result(2);
  const streams = named.streams.map((stream) => ({ ...stream, name: '\u001b]0;x\u0007\n' }));
  const page = pageLines({ ...named, streams }, undefined, context);
  expect(page.join('')).not.toMatch(/\p{Cc}/u);
  expect([page[0], page.at(-1)]).toEqual(['a [2Jb', ': 31m_']);
});

it('a line that is pasted is drawn once, and obeyed', async () => {
  const terminal = new PassThrough();
  const drawn: string[] = [];
  const input = Object.assign(terminal, { setRawMode: () => input }) as unknown as PageInput;
  const page = new LivePage((text) => drawn.push(text), input);
  const macs = { srcMac: '02:00:00:00:00:02', dstMac: '02:00:00:00:00:01' };
  const workload = Workload.of([{ name: 'voice' }, {}], {
    rate: '1kpps',
    line: 10e9,
    where: '',
    macs,
    seed: 1,
  });
  const state: LiveState = { headline: '', returns: true, factor: 1, stopped: [] };
  const report = () => {
    state.stopped = control.stopped;
  };
  const control = new RateControl({ workload, apply: () => {}, now: () => 1, report });
  const interrupt = { raise: () => {} } as Interrupt;
  const view = pageView({ state, control, interrupt }, page);
  view.show(result(2));
  drawn.length = 0;
  terminal.write(':stop voice\r');
  await nextRound();
  expect(drawn).toHaveLength(1);
  expect([control.isStopped(0), drawn[0]]).toEqual([true, expect.stringMatching(/a long name of stopped/)]);
  view.close();
});

it('says which streams are stopped, on the page and in lines', () => {
  const streams = result(3);
  const page = (now: TrialResult, ...stopped: number[]) =>
    pageLines(now, undefined, { headline: '', factor: 1, returns: true, footer: '', stopped })[1];
  const line = (now: TrialResult, ...stopped: number[]) =>
    periodLine(now, undefined, { returns: true, stopped });
  expect(page(streams)).toMatch(/rate x 1.00$/);
  expect(page(streams, 0, 2)).toMatch(/ stopped: a long name of stream 0, a long name of/);
  expect(page(result(1), 0)).toMatch(/ stopped$/);
  expect(line(streams)).toMatch(/ us$/);
  expect(line(streams, 1)).toMatch(/ us {2}stopped: a long name of stream 1$/);
  // Telemetry may have had no room for all streams.
  expect(line(streams, 2, 200)).toMatch(/ stopped: a long name of stream 2, 200$/);
  expect(line(result(1), 200)).toMatch(/ stopped: 200$/);
});
