// SPDX-License-Identifier: BSD-3-Clause
// Runs as a report keeps them, with figures that need no measuring.
import { newRun, type RunFile, type RunStep } from './run-file.ts';

export const row = (name: string, ratio: number, more = {}) => ({
  ...{ case: name, ratio: { median: ratio, min: ratio - 0.1, max: ratio + 0.1 } },
  ...{
    rounds: [1, 2].map(() => ({ ratio, mpps: [10 * ratio, 10] })),
    cpu_share: 1,
    disturbed: false,
    ...more,
  },
});
/** A step whose cases have a row each; `wanted` is how many cases it should have. */
export const step = (
  suite: string,
  args: string[],
  rows: ReturnType<typeof row>[],
  wanted = rows.length,
): RunStep => ({
  ...{ suite, args, wanted: Array.from({ length: wanted }, (_, at) => rows[at]?.case ?? `case ${at}`) },
  cases: rows.map((each) => ({ name: each.case, seconds: 10, stolen: 0.01, rows: [each] })),
});
export const MACHINE = { cpu: 'a <CPU>', cpus: 2, kernel: '6', node: 'v20', dpdk: '22.11', hugepages: true };
export const runOf = (...steps: RunStep[]): RunFile =>
  newRun({
    ...{ version: '1', quick: true, machine: MACHINE, steps },
    surroundings: { mhz: [2000, 2000], virtual: true, load: 0, dpdkFlags: '-march=corei7' },
  });

/** Names of the cases of each step. */
export const casesOf = ({ steps }: RunFile) => steps.map(({ cases }) => cases.map(({ name }) => name));
