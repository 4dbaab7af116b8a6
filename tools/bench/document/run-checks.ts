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
type Is<T> = (value: unknown) => value is T;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number';
const isFlag = (value: unknown): value is boolean => typeof value === 'boolean';
const isTextOrNull = (value: unknown): value is string | null => value === null || isText(value);
const isTextIfAny = (value: unknown): value is string | undefined => value === undefined || isText(value);
const isListOf =
  <T>(is: Is<T>) =>
  (value: unknown): value is T[] =>
    Array.isArray(value) && value.every(is);
/** With parts of these kinds, and any others. */
const isOf =
  <Parts extends Readonly<Record<string, Is<unknown>>>>(parts: Parts) =>
  (
    value: unknown,
  ): value is { readonly [Key in keyof Parts]: Parts[Key] extends Is<infer T> ? T : never } & Json =>
    isObject(value) && Object.entries(parts).every(([key, is]) => is(value[key]));

/** Whether no name is there twice. */
const isOnce = (names: readonly string[]): boolean => new Set(names).size === names.length;

const hasCase = isOf({ case: isText });
const isRow = (value: unknown): value is Json =>
  hasCase(value) && (value.rounds === undefined || Array.isArray(value.rounds));

const isCase = isOf({ name: isText, seconds: isNumber, stolen: isNumber, rows: isListOf(isRow) });

const hasCases = isOf({
  ...{ suite: isText, args: isListOf(isText), wanted: isListOf(isText), cases: isListOf(isCase) },
  failure: isTextIfAny,
});
type Step = typeof hasCases extends Is<infer T> ? T : never;

function isStep(value: unknown): value is Step {
  if (!hasCases(value)) return false;
  const names = value.cases.map(({ name }) => name);
  return isOnce(names) && isOnce(value.wanted) && names.every((name) => value.wanted.includes(name));
}

const hasSteps = isOf({
  ...{ format: isNumber, version: isText, started: isText, quick: isFlag, steps: isListOf(isStep) },
  machine: isOf({
    ...{ cpu: isText, cpus: isNumber, kernel: isText, node: isText, hugepages: isFlag },
    ...{ dpdk: isTextOrNull, ovs: isTextIfAny },
  }),
  resumed: (value): value is undefined | readonly { at: string; load: number }[] =>
    value === undefined || isListOf(isOf({ at: isText, load: isNumber }))(value),
  surroundings: isOf({
    ...{ mhz: isListOf(isNumber), virtual: isFlag, load: isNumber, dpdkFlags: isTextOrNull },
  }),
});

/** Whether it has what the report.json of a run has; what a row has depends on its suite. */
export const isRun = (json: unknown): json is typeof hasSteps extends Is<infer T> ? T : never =>
  hasSteps(json) && isOnce(json.steps.map(({ suite, args }) => [suite, ...args].join(' ')));

/** The first figure that no run measures, in words; undefined if all may be real. */
export function wrongFigure({ steps }: { readonly steps: readonly Step[] }): string | undefined {
  for (const { suite, cases } of steps) {
    for (const { name, seconds, stolen, rows } of cases) {
      for (const [figure, value] of [['seconds', seconds] as const, ['stolen', stolen] as const])
        if (isEndless(value)) return `${figure} of ${suite} ${name} is ${value}`;
      for (const row of rows) {
        const wrong = endlessIn(row, [], DEEPEST) ?? wrongRate(row) ?? wrongRatio(row);
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

const RATE = /(^|_)mpps$/;

/** Rates have names that end so, as figures of both sides or lists do: null is one that is not known. */
function wrongRate(value: unknown, path: readonly string[] = [], isRate = false): Found | undefined {
  if (typeof value === 'object' && value !== null) {
    for (const [key, part] of Object.entries(value)) {
      const found = wrongRate(part, [...path, key], isRate || RATE.test(key));
      if (found !== undefined) return found;
    }
    return undefined;
  }
  const isWrong = isRate && value !== null && !(isNumber(value) && value >= 0);
  return isWrong ? [path.join('.'), shown(value)] : undefined;
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
