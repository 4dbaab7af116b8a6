// SPDX-License-Identifier: BSD-3-Clause
// Whether what a file says can be what a run measured: its shape, and the range of its figures.
import { hasRounds } from '../row-charts.ts';

/** Of a figure of any kind: sums and ratios of such stay far from what a number can hold. */
const LARGEST = 1e15;
/** Of the rates of two sides. */
const SMALLEST_RATIO = 1e-15;
/** Levels of lists and objects in a row; those of real ones have five. */
const DEEPEST = 16;

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number';
const isListOf =
  <T>(is: (value: unknown) => value is T) =>
  (value: unknown): value is T[] =>
    Array.isArray(value) && value.every(is);

interface Case extends Json {
  readonly name: string;
  readonly rows: readonly Json[];
}

const isCase = (value: unknown): value is Case =>
  isObject(value) &&
  isText(value.name) &&
  isNumber(value.seconds) &&
  isNumber(value.stolen) &&
  isListOf(isObject)(value.rows);

interface Step extends Json {
  readonly suite: string;
  readonly cases: readonly Case[];
}

const isStep = (value: unknown): value is Step =>
  isObject(value) &&
  isText(value.suite) &&
  isListOf(isText)(value.args) &&
  isListOf(isText)(value.wanted) &&
  isListOf(isCase)(value.cases);

/** Whether it has what the report.json of a run has, rows aside. */
export const isRun = (json: unknown): json is { readonly steps: readonly Step[] } =>
  isObject(json) && isObject(json.machine) && isListOf(isStep)(json.steps);

/** The first figure that no run measures, in words; undefined if all may be real. */
export function wrongFigure({ steps }: { readonly steps: readonly Step[] }): string | undefined {
  for (const { suite, cases } of steps) {
    for (const { name, seconds, stolen, rows } of cases) {
      for (const [figure, value] of [['seconds', seconds] as const, ['stolen', stolen] as const])
        if (isEndless(value)) return `${figure} of ${suite} ${name} is ${value}`;
      for (const row of rows) {
        const wrong = endlessIn(row, [], DEEPEST) ?? wrongRatio(row);
        if (wrong !== undefined) return `${wrong[0]} of ${suite} ${name} is ${wrong[1]}`;
      }
    }
  }
  return undefined;
}

type Found = readonly [figure: string, value: string];

const isEndless = (value: unknown): boolean => isNumber(value) && !(Math.abs(value) <= LARGEST);

function endlessIn(value: unknown, path: readonly string[], levels: number): Found | undefined {
  if (isEndless(value)) return [path.join('.'), `${value}`];
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return [path.slice(0, 2).join('.'), 'a list of lists without end'];
  for (const [key, part] of Object.entries(value)) {
    const found = endlessIn(part, [...path, key], levels - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Of a row that two runs are compared by. */
function wrongRatio(row: Json): Found | undefined {
  if (!hasRounds(row)) return undefined;
  const ratio: Json = isObject(row.ratio) ? { ...row.ratio } : {};
  for (const key of ['median', 'min', 'max']) {
    const value = ratio[key];
    if (!isNumber(value) || value < SMALLEST_RATIO) return [`ratio.${key}`, shown(value)];
  }
  const at = row.rounds.findIndex(({ mpps }) => mpps.length !== 2 || !mpps.every(isNumber));
  return at < 0 ? undefined : [`rounds.${at}.mpps`, shown(row.rounds[at]?.mpps)];
}

const shown = (value: unknown): string => `${JSON.stringify(value) ?? 'missing'}`.slice(0, 40);
