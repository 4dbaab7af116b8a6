// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { casesOf } from './cases.ts';
import {
  type ComparisonRow,
  idleTable,
  inPlaceTable,
  interruptTable,
  limitTable,
  loopbackTable,
  machineLine,
  reportJson,
  settingsLine,
} from './report.ts';
import type { Settings } from './settings.ts';

const MACHINE = { cpu: 'A CPU', cpus: 2, kernel: '6.1', node: 'v20.0.0', dpdk: '22.11.7', hugepages: true };
const SETTINGS: Settings = {
  peer: 'dpdk',
  rounds: 5,
  seconds: 1,
  queueSize: 256,
  packed: false,
  copying: false,
  hugepages: true,
  backEndCpu: 0,
  peerCpu: 1,
};
const ROW: ComparisonRow = {
  case: 'rx-64',
  ours_mpps: 8.123,
  theirs_mpps: 9,
  ratio: { median: 0.904, min: 0.8, max: 1 },
  cpu_share: 1,
  rounds: [{ ratio: 0.904, mpps: [8.123, 9] }],
  ours_cycles_per_packet: 195.7,
};

it('cases are each direction at each size', () => {
  expect(casesOf(['rx', 'io'], [64, 512]).map(({ name }) => name)).toEqual([
    'rx-64',
    'rx-512',
    'io-64',
    'io-512',
  ]);
});

describe('the table', () => {
  const cells = (table: string, line: number) =>
    table
      .split('\n')
      [line]?.split('│')
      .map((cell) => cell.trim());

  it('has a line for each case', () => {
    const table = loopbackTable([ROW, { ...ROW, case: 'tx-64', ours_cycles_per_packet: undefined }]);
    expect(cells(table, 3)).toEqual(['', 'rx-64', '8.12', '9.00', '0.90', '0.80', '1.00', '196', '']);
    expect(cells(table, 4)?.slice(-3)).toEqual(['1.00', '-', '']);
  });

  it('has work in place beside copies', () => {
    const table = inPlaceTable([{ ...ROW, in_place_mpps: 8, copying_mpps: 10 }]);
    expect(cells(table, 3)).toEqual(['', 'rx-64', '8.00', '10.00', '0.90', '0.80', '1.00', '']);
  });

  it('has interrupt mode beside polling, and what is used when nothing comes', () => {
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

  it('gives a share of the limit in percent', () => {
    const table = limitTable([{ ...ROW, limit_mpps: 10 }]);
    expect(cells(table, 3)).toEqual(['', 'rx-64', '10.00', '8.12', '90 %', '80 %', '100 %', '']);
  });
});

it('the machine is named in one line', () => {
  expect(machineLine(MACHINE)).toBe('A CPU, 2 CPUs; Linux 6.1; Node v20.0.0; DPDK 22.11.7; hugepages');
  expect(machineLine({ ...MACHINE, dpdk: null, hugepages: false })).toBe(
    'A CPU, 2 CPUs; Linux 6.1; Node v20.0.0; no hugepages',
  );
});

it('the settings are named in one line', () => {
  expect(settingsLine(SETTINGS)).toBe('5 rounds of 1 s, peer dpdk, rings of 256, split, one queue pair');
  expect(settingsLine({ ...SETTINGS, packed: true, copying: true })).toBe(
    '5 rounds of 1 s, peer dpdk, rings of 256, packed, one queue pair, ours copying through mbufs',
  );
});

it('the JSON has the promised keys', () => {
  const report = JSON.parse(
    reportJson({ suite: 'loopback', machine: MACHINE, settings: SETTINGS, rows: [ROW] }),
  );
  expect(Object.keys(report)).toEqual(['suite', 'machine', 'settings', 'rows']);
  expect(report.rows[0]).toMatchObject({
    case: 'rx-64',
    ours_mpps: 8.123,
    theirs_mpps: 9,
    ratio: { median: 0.904, min: 0.8, max: 1 },
  });
});
