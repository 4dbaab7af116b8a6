// SPDX-License-Identifier: BSD-3-Clause
// What a run that was interrupted hands on to the one that resumes it: every figure that it has, and only
// where the new figures may stand beside them.
import { PmdError } from '../../../src/errors.ts';
import type { Machine } from '../../run/machine.ts';
import { commandOf, isDone, type MeasuredCase, type RunFile } from './run-file.ts';

export interface Interrupted {
  /** Where it was read. */
  readonly file: string;
  readonly run: RunFile;
  /** Whether cases of the same commands that were disturbed count as not measured. */
  readonly repeatDisturbed?: boolean;
}

/**
 * Continues an interrupted run: its cases of the same commands count as measured. Steps of other commands
 * that have figures are added to `run.steps`, to be shown as they are. `here` is the machine as it is now,
 * and what is installed there. Throws VPCI_BENCH_REPORT, before it changes anything, if the figures of both
 * runs would not be of one version, one --quick and one machine.
 */
export function takeOver(
  run: RunFile,
  { file, run: before, repeatDisturbed = false }: Interrupted,
  here: Machine,
): void {
  const measured = before.steps.filter(({ cases }) => cases.length > 0);
  if (measured.length === 0) return;
  const other = otherRun(run, before) ?? otherMachine(before.machine, here);
  if (other !== undefined) throw new PmdError('VPCI_BENCH_REPORT', `${file} ${other}`);
  for (const old of measured) {
    const step = run.steps.find((each) => commandOf(each) === commandOf(old));
    if (step === undefined) {
      run.steps.push(old);
      continue;
    }
    const names = old.cases.map(({ name }) => name);
    step.wanted.push(...names.filter((name) => !step.wanted.includes(name)));
    step.cases.push(...old.cases.filter((each) => !(repeatDisturbed && isDisturbed(each))));
  }
  run.machine = before.machine;
  keepBeginning(run, before);
}

const isDisturbed = ({ rows }: MeasuredCase): boolean =>
  rows.some((row) => (row as { readonly disturbed?: boolean }).disturbed === true);

/** The run began when the earlier one did; that it goes on now is noted if anything is left to measure. */
function keepBeginning(run: RunFile, before: RunFile): void {
  const now = { at: run.started, load: run.surroundings.load };
  const resumed = [...(before.resumed ?? []), ...(run.steps.every(isDone) ? [] : [now])];
  run.started = before.started;
  run.surroundings = before.surroundings;
  if (resumed.length > 0) run.resumed = resumed;
}

const ANEW = 'start a new run without --resume, or name another folder with --out';

function otherRun(run: RunFile, before: RunFile): string | undefined {
  if (before.version !== run.version)
    return `is of version ${JSON.stringify(before.version)}, and this is "${run.version}": ${ANEW}`;
  if (before.quick === run.quick) return undefined;
  return before.quick
    ? 'is of a run with --quick: give --quick, too'
    : 'is of a run without --quick: leave --quick out';
}

const NAMES: Readonly<Record<keyof Machine, string>> = {
  ...{ cpu: 'CPU', cpus: 'CPUs', kernel: 'Linux', node: 'Node', hugepages: 'hugepages' },
  ...{ dpdk: 'DPDK', ovs: 'Open vSwitch' },
};

/** What did not run then, or is not installed now, is not different. */
function otherMachine(then: Machine, now: Machine): string | undefined {
  const words = Object.entries(NAMES).flatMap(([key, name]) => {
    const [old, current] = [then[key as keyof Machine] ?? null, now[key as keyof Machine] ?? null];
    if (old === null || current === null || old === current) return [];
    return [`${name}: ${JSON.stringify(old)}, now ${JSON.stringify(current)}`];
  });
  if (words.length === 0) return undefined;
  return `was measured elsewhere or with other parts (${words.join('; ')}): ${ANEW}`;
}
