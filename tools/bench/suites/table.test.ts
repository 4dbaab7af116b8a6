// SPDX-License-Identifier: BSD-3-Clause
import { Command } from '@commander-js/extra-typings';
import { describe, expect, it } from 'vitest';
import { SUITES } from './table.ts';

const program = new Command('bench');
for (const suite of SUITES) suite.addTo(program);
const optionsOf = (name: string) =>
  program.commands.find((command) => command.name() === name)?.options.map(({ long }) => long);

const COMMON = [
  '--rounds',
  '--seconds',
  '--queue-size',
  '--peer',
  '--packed',
  '--cpus',
  '--no-huge',
  '--json',
];
const WITH_ONE_PEER = COMMON.filter((option) => option !== '--peer');

describe('the suites', () => {
  it('each have a subcommand, in this order', () => {
    const names = [
      'loopback',
      'limit',
      'in-place',
      'interrupts',
      'latency',
      'telemetry',
      'memif',
      'ovs',
      'chain',
      'pktgen',
    ];
    expect(SUITES.map(({ name }) => name)).toEqual(names);
    expect(program.commands.map((command) => command.name())).toEqual(names);
  });

  it.each([
    ['loopback', ['--against', '--cases', '--copying', '--sizes', ...COMMON]],
    ['limit', ['--touch', '--cases', '--sizes', ...COMMON]],
    ['in-place', ['--cases', '--sizes', ...COMMON]],
    ['interrupts', ['--cases', '--sizes', ...COMMON]],
    ['latency', ['--against', '--mode', '--load', '--rate', '--sizes', ...WITH_ONE_PEER]],
    ['telemetry', ['--interval', '--cases', '--sizes', ...COMMON]],
    ['ovs', ['--cases', '--flows', '--copying', '--no-tune', '--sizes', ...WITH_ONE_PEER]],
    ['chain', ['--lengths', '--figures', '--rfc', '--no-tune', '--sizes', ...WITH_ONE_PEER]],
    ['pktgen', ['--figures', '--rates', '--sizes', ...COMMON]],
    ['memif', ['--modes', '--rfc', '--cases', '--sizes', ...WITH_ONE_PEER]],
  ])('%s has its own options, then the common ones', (name, options) => {
    expect(optionsOf(name)).toEqual(options);
  });
});
