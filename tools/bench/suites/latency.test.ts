// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import type { PeerReport } from '../../run/builtin-peer.ts';
import { sheetText } from '../sheet-text.ts';
import { resultOf } from '../sides/latency-side.ts';
import { type LatencyRow, latencySheet, mergeBuckets } from './latency.ts';

const OURS = { p50_us: 0.6, p99_us: 1.25, p99_9_us: 9, max_us: 120, lost: 0, timed_share: 1 };
const THEIRS = { p50_us: 1.8, p99_us: 2.5, p99_9_us: 10, max_us: 1234.5, lost: 2, timed_share: 1 };
const once = (median: number) => ({ median, min: median, max: median });
const ROW: LatencyRow = {
  case: 'io-64',
  rate_pps: 700_000,
  ours: OURS,
  theirs: THEIRS,
  ratio: { p50: once(1 / 3), p99: once(0.5), p99_9: once(0.9) },
  rounds: [[OURS, THEIRS]],
  cpu_share: 1,
  disturbed: false,
  histogram: {
    ours: [
      { toNs: 500, samples: 10 },
      { toNs: 1000, samples: 999_989 },
      { toNs: 2000, samples: 1 },
    ],
    theirs: [
      { toNs: 1000, samples: 0 },
      { toNs: 2000, samples: 1_000_000 },
    ],
  },
};

it('shows both sides one below the other, the ratios beside them, and a line for each bucket of a side', () => {
  expect(sheetText(latencySheet([ROW]))).toBe(
    [
      '┌───────┬───────────┬────────────┬──────┬───────┬────────┬────────┬──────────┬─────────┬──────┐',
      '│ case  │ side      │ ratio: p50 │  p99 │ p99.9 │ p50 us │ p99 us │ p99.9 us │  max us │ lost │',
      '├───────┼───────────┼────────────┼──────┼───────┼────────┼────────┼──────────┼─────────┼──────┤',
      '│ io-64 │ ours      │       0.33 │ 0.50 │  0.90 │   0.60 │   1.25 │     9.00 │  120.00 │    0 │',
      '│       │ net_vhost │            │      │       │   1.80 │   2.50 │    10.00 │ 1234.50 │    2 │',
      '└───────┴───────────┴────────────┴──────┴───────┴────────┴────────┴──────────┴─────────┴──────┘',
      '┌─────────────────┬────────┬──────────────────────────┬───────────┬──────────────────────────┐',
      '│ io-64, up to us │   ours │ log scale                │ net_vhost │ log scale                │',
      '├─────────────────┼────────┼──────────────────────────┼───────────┼──────────────────────────┤',
      '│             0.5 │     10 │ ####                     │         0 │                          │',
      '│               1 │ 999989 │ ######################## │         0 │                          │',
      '│               2 │      1 │ #                        │   1000000 │ ######################## │',
      '└─────────────────┴────────┴──────────────────────────┴───────────┴──────────────────────────┘',
    ].join('\n'),
  );
});

it('histograms of several rounds are summed', () => {
  const sum = mergeBuckets([
    [{ toNs: 1000, samples: 5 }],
    [
      { toNs: 500, samples: 1 },
      { toNs: 1000, samples: 2 },
    ],
  ]);
  expect(sum).toEqual([
    { toNs: 500, samples: 1 },
    { toNs: 1000, samples: 7 },
  ]);
});

it('a peer that got nothing back causes an error that names the case', () => {
  const report = { final: true, missing: 7, latency: null } as PeerReport;
  expect(() => resultOf(report, 'io-64', 0)).toThrow('Failed to measure io-64: no frame came back');
});

it('the share of timed frames excludes the warm-up', () => {
  const report = { final: true, missing: 0, rxPackets: 300, latency: { samples: 150 } } as PeerReport;
  expect(resultOf(report, 'io-64', 100).timed).toBe(0.75);
});
