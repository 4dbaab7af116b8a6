// SPDX-License-Identifier: BSD-3-Clause
// Instructions per packet of the ring engine, which no busy machine changes, against the recorded
// ones. A change beyond the tolerance in either direction is to be recorded on purpose: RECORD=1 npx
// vitest run test/perf.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { arch } from 'node:process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { programMissing } from '../support/program-missing.ts';

interface Baseline {
  /** What the figures belong to: other compilers and machines count differently. */
  readonly compiler: string;
  readonly arch: string;
  readonly perPacket: Record<string, number>;
}

const TOLERANCE = 0.03;
const BASELINE = fileURLToPath(new URL('./instructions.json', import.meta.url));
const folder = fileURLToPath(new URL('.', import.meta.url));
const cases = [
  'rx split',
  'rx packed',
  'rx split in-order',
  'rx packed in-order',
  'rx split offload',
  'rx packed offload',
  'tx split',
  'tx packed',
  'rx section',
  'rx section header',
  'tx section',
  'tx section header',
  'relay section',
];

function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`);
  return `${stdout}${stderr}`;
}

/** Counted inside the bursts only. */
function instructionsPerPacket(name: string): number {
  const [direction, ...ring] = name.split(' ');
  const burst = { rx: 'RxBurst', tx: 'TxBurst', relay: 'RelayBurst' }[direction as 'rx' | 'tx' | 'relay'];
  const output = run(
    'valgrind',
    '--tool=callgrind',
    '--callgrind-out-file=/dev/null',
    `--toggle-collect=vpci::${burst}*`,
    './build/instructions',
    direction as string,
    ...ring,
  );
  const packets = Number(/^packets (\d+)$/m.exec(output)?.[1]);
  const collected = Number(/Collected : (\d+)/.exec(output)?.[1]);
  return Math.round((100 * collected) / packets) / 100;
}

const compiler = (): string => `g++ ${run('g++', '-dumpversion').trim().split('.')[0]}`;

describe.skipIf(programMissing('valgrind', 'valgrind', 'counts of instructions'))(
  'instructions per packet',
  () => {
    const recorded = JSON.parse(readFileSync(BASELINE, 'utf8')) as Baseline;
    const counted: Record<string, number> = {};

    beforeAll(() => {
      run('make', '-s', 'CXX=g++');
      for (const name of cases) counted[name] = instructionsPerPacket(name);
      console.log(`64-byte packets in bursts of 32, ${compiler()}, ${arch}:`, counted);
      if (process.env.RECORD) {
        const baseline: Baseline = { compiler: compiler(), arch, perPacket: counted };
        writeFileSync(BASELINE, `${JSON.stringify(baseline, null, 2)}\n`);
      }
    }, 300_000);

    it('are counted in every kind of ring', () => {
      for (const name of cases) expect(counted[name], name).toBeGreaterThan(10);
    });

    it.skipIf(process.env.RECORD)(`are within ${100 * TOLERANCE} % of those recorded`, ({ skip }) => {
      const here = `${compiler()} on ${arch}`;
      const there = `${recorded.compiler} on ${recorded.arch}`;
      skip(here !== there, `recorded with ${there}, counted with ${here}`);
      const changed = cases.filter((name) => {
        const before = recorded.perPacket[name] ?? 0;
        return Math.abs((counted[name] ?? 0) - before) > TOLERANCE * before;
      });
      expect(changed.map((name) => `${name}: ${recorded.perPacket[name]} -> ${counted[name]}`)).toEqual([]);
    });
  },
);
