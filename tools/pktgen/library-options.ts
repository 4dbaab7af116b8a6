// SPDX-License-Identifier: BSD-3-Clause
// What a program gives to the library is checked before anything begins: with a misspelt `seconds` a run
// would have no end. The ranges are those of the command's options.
import {
  requireBoolean,
  requireFunction,
  requireInteger,
  requireNumber,
  requireOneOf,
  requireOptions,
} from '../../src/arguments.ts';
import type { PktgenOptions, RunOptions, SearchOptions } from './library-types.ts';

/** Throws if the value of a key is wrong; `name` is the key. */
type Check = (call: string, name: string, value: unknown) => void;
type Checks<Options> = { readonly [key in keyof Required<Options>]: Check };

const number =
  (min: number, max = 1e9): Check =>
  (call, name, value) =>
    requireNumber(call, name, value, min, max);
const integer =
  (min: number, max: number): Check =>
  (call, name, value) =>
    requireInteger(call, name, value, min, max);
const share = number(0, 1);
const elsewhere: Check = () => {};

const OPEN: Checks<PktgenOptions> = {
  device: elsewhere,
  streams: elsewhere,
  rate: elsewhere,
  lineRate: elsewhere,
  cpu: integer(0, 1023),
  peerCpu: integer(0, 1023),
  peer: (call, name, value) => requireOneOf(call, name, value, ['echo', 'sink']),
  dropAbove: integer(1, 1e9),
  returns: requireBoolean,
  seed: integer(0, 2 ** 31 - 1),
  hugepages: requireBoolean,
};
const RUN: Checks<RunOptions> = {
  seconds: number(0.001, Number.POSITIVE_INFINITY),
  drain: number(0.001, 60),
  maxLag: number(0.001, 60),
};
const SEARCH: Checks<SearchOptions> = {
  loss: share,
  unsent: share,
  latencyNs: number(1, Number.POSITIVE_INFINITY),
  trialSeconds: number(0.001, 86_400),
  timeBound: number(0.001),
  precision: number(1e-6, 1),
  before: requireFunction,
  after: requireFunction,
};

export const checkOpen = (options: unknown): void => check('openPktgen()', options, OPEN);
export const checkRun = (call: string, options: unknown): void => check(call, options, RUN);
export const checkSearch = (options: unknown): void => check('search()', options, SEARCH);
export const checkPeriod = (period: unknown): void => number(0.01)('statistics()', 'period', period);

function check(call: string, options: unknown, checks: Readonly<Record<string, Check>>): void {
  requireOptions(call, 'options', options, Object.keys(checks));
  for (const [name, value] of Object.entries(options as object))
    if (value !== undefined) checks[name]?.(call, name, value);
}
