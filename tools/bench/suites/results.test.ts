// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { footnote } from '../report.ts';
import { type ChainRow, chainTable } from './chain.ts';
import { inPlaceTable } from './in-place.ts';
import { idleTable, interruptTable } from './interrupts.ts';
import { limitTable } from './limit.ts';
import { type LoopbackRow, loopbackTable } from './loopback.ts';
import { memifTable } from './memif.ts';
import { ovsTable } from './ovs.ts';
import { pktgenTable } from './pktgen.ts';
import { telemetryTable } from './telemetry.ts';

const ROW: LoopbackRow = {
  case: 'rx-64',
  ours_mpps: 8.123,
  theirs_mpps: 9,
  ratio: { median: 0.904, min: 0.8, max: 1 },
  cpu_share: 1,
  disturbed: false,
  rounds: [{ ratio: 0.904, mpps: [8.123, 9] }],
  ours_cycles_per_packet: 195.7,
};

describe('the table', () => {
  const cells = (table: string, line: number) =>
    table
      .split('\n')
      [line]?.split('│')
      .map((cell) => cell.trim());

  it('has a line per case', () => {
    const table = loopbackTable([ROW, { ...ROW, case: 'tx-64', ours_cycles_per_packet: undefined }]);
    expect(cells(table, 3)).toEqual(['', 'rx-64', '8.12', '9.00', '0.90', '0.80', '1.00', '196', '']);
    expect(cells(table, 4)?.slice(-3)).toEqual(['1.00', '-', '']);
  });

  it('shows in-place work beside copying', () => {
    const table = inPlaceTable([{ ...ROW, in_place_mpps: 8, copying_mpps: 10 }]);
    expect(cells(table, 3)).toEqual(['', 'rx-64', '8.00', '10.00', '0.90', '0.80', '1.00', '']);
  });

  it('shows a polled testpmd beside one that is not, with three digits', () => {
    const table = telemetryTable([{ ...ROW, polled_mpps: 8, alone_mpps: 10 }]);
    expect(cells(table, 3)).toEqual(['', 'rx-64', '8.00', '10.00', '0.904', '0.800', '1.000', '']);
  });

  it('shows net_memif beside our sections, a line per mode', () => {
    const table = memifTable([{ ...ROW, mode: 'in-place', rfc: '2.0', memif_mpps: 9 }]);
    expect(cells(table, 3)).toEqual([
      '',
      'rx-64',
      'in-place',
      '2.0',
      '8.12',
      '9.00',
      '0.90',
      '0.80',
      '1.00',
      '',
    ]);
  });

  it('shows Open vSwitch beside ours, with the settings that the switch had', () => {
    const row = {
      ...{ ...ROW, case: 'both-64', flows: 'fixed' as const, ovs_mpps: 2, ovs_lost: 0.001 },
      ...{ ovs_cycles_per_packet: 269.1, ovs_settings: 'tx-flush-interval 0' },
      per_cpu: { ours: 4, ovs: 1, ratio: { median: 4, min: 4, max: 4 } },
    };
    const table = ovsTable([row]);
    expect(cells(table, 3)).toEqual([
      ...['', 'both-64', 'fixed', '8.12', '2.00', '0.90', '0.80', '1.00', '4.00', '269', '0.10 %', ''],
    ]);
    expect(table).toContain('\nOVS fixed: tx-flush-interval 0');
    expect(cells(ovsTable([{ ...row, per_cpu: null }]), 3)?.[8]).toBe('-');
  });

  it('shows a chain by its length, computed figures as such', () => {
    const row: ChainRow = {
      ...{ ...ROW, case: 'throughput-3-64', guests: 3, figure: 'throughput', rfc: '2.1', ovs_mpps: 2 },
      ovs_settings: 'tx-flush-interval 0',
      ...{ cycles: { ours: 100, ovs: 900.4 }, projected_mpps: { ours: 8, ovs: 1.5 } },
    };
    const throughput = chainTable([row]);
    const figures = ['8.12', '2.00', '0.90', '0.80', '1.00'];
    expect(cells(throughput, 4)).toEqual([
      '',
      '3, 64 B',
      '2.1',
      ...figures,
      '100',
      '900',
      '8.00',
      '1.50',
      '',
    ]);
    expect(throughput).toContain('projected, not measured');
    const latency = chainTable([{ ...row, figure: 'latency', hop_us: { ours: 0.5, ovs: 2 } }]);
    expect(cells(latency, 4)).toEqual(['', '3, 64 B', '2.1', ...figures, '0.50', '2.00', '']);
    expect(latency).not.toContain('projected');
  });

  it('has one for each figure of the packet generator, with the rounds that were disturbed', () => {
    const quiet = { disturbances: [], stalls: { count: 0, longestUs: 0, share: 0 } };
    const even = (of: number) => ({ median: of, min: of, max: of });
    const rounds = { disturbed_rounds: 1, disturbed: true };
    const times = { ours_us: 51_200, ours_jitter_us: 1, theirs_us: 51_100, theirs_jitter_us: 2 };
    const gaps = { near: 0.995, undisturbed: 90, nearUndisturbed: 1 };
    const sender = { ...gaps, near: 0.998, samples: 99, away: 3 };
    const replayed = { packets: 100, whole: 100, ...gaps, sender, away: 4, medianUs: 0.2, p99Us: 4.2 };
    const table = pktgenTable([
      {
        ...{ figure: 'rates', case: '1kpps', asked_pps: 1000, sent_pps: 999.5, error: even(0.0005) },
        ...{ gap_median_us: 0.06, gap_p99_us: 1.234, rounds: [], ...rounds },
      },
      { figure: 'replay', case: 'replay', rounds: [{ ...quiet, ...replayed }], ...rounds },
      {
        ...{ figure: 'ndr', case: 'ndr', drops_above_pps: 1e6, found_pps: 998_000, error: even(0.002) },
        ...{ rounds: [{ ...quiet, pps: 998_000 }], disturbed_rounds: 0, disturbed: false },
      },
      { ...ROW, figure: 'max', case: 'max', ours_mpps: 19, txonly_mpps: 16 },
      {
        ...{ figure: 'latency', case: 'latency', error: even(0.002) },
        ...{ rounds: [{ ...quiet, ...times }], disturbed_rounds: 0, disturbed: false },
      },
    ]);
    const lines = [
      ['1kpps', '1.00 kpps', '999.5 pps', '0.050 %*', '0.050 %', '0.06', '1.23', '1 of 0'],
      [
        ...['100 packets', '100.00 %', '100.00 %', '99.50 %*'],
        ...['100.00 %', '99.80 %', '0.20', '4.20', '1 of 1'],
      ],
      ['ndr', '1.000 Mpps', '998.00 kpps', '0.20 %', '0.20 %', '0 of 1'],
      ['max', '19.00', '16.00', '0.90', '0.80', '1.00'],
      ['512 frames at 10000 pps', '51200.00', '1.00', '51100.00', '2.00', '0.20 %', '0.20 %', '0 of 1'],
    ];
    for (const [i, line] of lines.entries()) expect(cells(table, 5 * i + 3)).toEqual(['', ...line, '']);
  });

  it('shows interrupt mode beside polling, and the CPU use when idle', () => {
    const table = interruptTable([{ ...ROW, adaptive_mpps: 8, polling_mpps: 10 }]);
    expect(cells(table, 3)).toEqual(['', 'rx-64', '8.00', '10.00', '0.90', '0.80', '1.00', '']);
    const idle = idleTable([
      { case: 'idle', mode: 'on', cpus: 0.0012 },
      { case: 'idle', mode: 'off', cpus: null },
    ]);
    expect([cells(idle, 3), cells(idle, 4)]).toEqual([
      ['', 'on', '0.12 %', ''],
      ['', 'off', '-', ''],
    ]);
  });

  it('regression: marks the ratio of a disturbed row', () => {
    const row = { ...ROW, disturbed: true, limit_mpps: 10, in_place_mpps: 8, copying_mpps: 10 };
    expect(cells(loopbackTable([row]), 3)?.slice(4, 7)).toEqual(['0.90*', '0.80', '1.00']);
    expect(cells(inPlaceTable([row]), 3)?.[4]).toBe('0.90*');
    expect(cells(interruptTable([{ ...row, adaptive_mpps: 8, polling_mpps: 10 }]), 3)?.[4]).toBe('0.90*');
    expect(cells(limitTable([row]), 3)?.[4]).toBe('90 %*');
    expect(footnote([ROW, row])).toMatch(/^\* disturbed: /);
    expect(footnote([ROW])).toBeUndefined();
  });

  it('shows the share of the limit in percent', () => {
    const table = limitTable([{ ...ROW, limit_mpps: 10 }]);
    expect(cells(table, 3)).toEqual(['', 'rx-64', '10.00', '8.12', '90 %', '80 %', '100 %', '']);
    const { ours_mpps, ...others } = ROW;
    const theirs = limitTable([{ ...others, limit_mpps: 10, theirs_mpps: ours_mpps }]);
    expect([cells(theirs, 1)?.[3], cells(theirs, 3)?.[3]]).toEqual(['net_vhost Mpps', '8.12']);
  });
});
