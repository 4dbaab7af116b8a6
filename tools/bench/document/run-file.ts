// SPDX-License-Identifier: BSD-3-Clause
// A whole run as a file: everything that was measured, case by case, so that an interrupted run goes on where
// it stopped, and a later one can be compared with it.
import { PmdError } from '../../../src/errors.ts';
import { readText } from '../../../src/user-file.ts';
import type { Machine } from '../../run/machine.ts';
import type { Surroundings } from '../instruments/surroundings.ts';
import { isRun, wrongFigure } from './run-checks.ts';

const FORMAT = 1;
/** A run has some MiB. */
const MOST_BYTES = 1 << 28;

export interface MeasuredCase {
  readonly name: string;
  readonly seconds: number;
  /** Share of all CPUs that the hypervisor took meanwhile. */
  readonly stolen: number;
  readonly rows: readonly unknown[];
}

/** One suite with its options. */
export interface RunStep {
  readonly suite: string;
  readonly args: readonly string[];
  /** Names of the cases that it has. */
  readonly wanted: string[];
  readonly cases: MeasuredCase[];
  /** Why it was not measured, or not to the end. */
  failure?: string;
}

export interface Resumption {
  readonly at: string;
  readonly load: number;
}

export interface RunFile {
  readonly format: typeof FORMAT;
  readonly version: string;
  started: string;
  readonly quick: boolean;
  machine: Machine;
  surroundings: Surroundings;
  /** When it was resumed to measure more, and the load average of the minute before. */
  resumed?: readonly Resumption[];
  readonly steps: RunStep[];
}

export const newRun = (of: Omit<RunFile, 'format' | 'started'>): RunFile => ({
  format: FORMAT,
  started: new Date().toISOString(),
  ...of,
});

/**
 * Throws a PmdError that names the file when it is missing, no report, or cut, and one that also names the
 * figure when that is none which a run measures.
 */
export function readRun(path: string): RunFile {
  const run = parsed(readText(path, MOST_BYTES));
  if (!isRun(run) || run.format !== FORMAT)
    throw new PmdError('VPCI_BENCH_REPORT', `${path} is not the report.json of a run`);
  const wrong = wrongFigure(run);
  if (wrong !== undefined)
    throw new PmdError(
      'VPCI_BENCH_REPORT',
      `${path}: ${wrong}, which no run measures: use the file as a run wrote it`,
    );
  return run as RunFile;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const runJson = (run: RunFile): string => `${JSON.stringify(run, null, 1)}\n`;

export const commandOf = ({ suite, args }: Pick<RunStep, 'suite' | 'args'>): string =>
  ['vhost-pci-bench', suite, ...args].join(' ');

export const isDone = ({ wanted, cases }: RunStep): boolean => cases.length === wanted.length;
