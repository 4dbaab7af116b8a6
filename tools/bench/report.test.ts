// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { machineLine } from '../run/machine.ts';
import { casesOf } from './cases.ts';
import { reportJson, settingsLine } from './report.ts';
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
const ROW = { case: 'rx-64', ours_mpps: 8.123 };

it('cases are every direction at every size', () => {
  expect(casesOf(['rx', 'io'], [64, 512]).map(({ name }) => name)).toEqual([
    'rx-64',
    'rx-512',
    'io-64',
    'io-512',
  ]);
});

it('the machine is described in one line', () => {
  expect(machineLine(MACHINE)).toBe('A CPU, 2 CPUs; Linux 6.1; Node v20.0.0; DPDK 22.11.7; hugepages');
  expect(machineLine({ ...MACHINE, dpdk: null, hugepages: false })).toBe(
    'A CPU, 2 CPUs; Linux 6.1; Node v20.0.0; no hugepages',
  );
});

it('the settings are described in one line', () => {
  expect(settingsLine(SETTINGS)).toBe('5 rounds of 1 s, peer dpdk, rings of 256, split, one queue pair');
  expect(settingsLine({ ...SETTINGS, packed: true, copying: true })).toBe(
    '5 rounds of 1 s, peer dpdk, rings of 256, packed, one queue pair, ours copying through mbufs',
  );
});

it('regression: a single round is singular', () => {
  expect(settingsLine({ ...SETTINGS, rounds: 1 })).toMatch(/^1 round of 1 s, /);
});

it('the JSON has the promised keys', () => {
  const report = JSON.parse(
    reportJson({ suite: 'loopback', machine: MACHINE, settings: SETTINGS, rows: [ROW] }),
  );
  expect(Object.keys(report)).toEqual(['suite', 'machine', 'settings', 'rows']);
  expect(report.rows).toEqual([ROW]);
});
