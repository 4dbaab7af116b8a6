// SPDX-License-Identifier: BSD-3-Clause
// Table-driven command-line options in getopt_long's syntax: --name value, --name=value, -n value, -nvalue,
// -ia.
import { Help } from '@commander-js/extra-typings';
import { PmdError } from '../errors.ts';
import { likelyOptions } from './likely-options.ts';

export interface OptionRow<Target> {
  /** Long names without dashes; messages use the first. */
  readonly long?: readonly string[];
  readonly short?: string;
  /**
   * Name of the argument in the help text; absent for an option without one. `[X]` is optional and must be
   * given with "=".
   */
  readonly arg?: string;
  /** Absent for options that are accepted and ignored; `why` then says why nothing is missed. */
  readonly help?: string;
  readonly why?: string;
  apply?(target: Target, value: string, name: string): void;
}

/** An invalid command line: exit status 2. */
export class UsageError extends PmdError {
  constructor(message: string) {
    super('VPCI_USAGE', message);
    this.name = 'UsageError';
  }
}

type Named = Pick<OptionRow<never>, 'long' | 'short'>;

/** The options of the other part of the command line. */
export interface Elsewhere {
  readonly rows: readonly Named[];
  /** Where they belong: "after --". */
  readonly place: string;
  /** Where which options go, for an unknown one that resembles none. */
  readonly order: string;
}

/**
 * Applies `args` to `target`. Throws a UsageError that names an option that is unknown, lacks its value or
 * does not take one.
 */
export function applyOptions<T>(
  rows: readonly OptionRow<T>[],
  args: readonly string[],
  target: T,
  elsewhere: Elsewhere,
): void {
  try {
    applyAll(rows, args, target);
  } catch (error) {
    if (!(error instanceof UnknownOption)) throw error;
    throw new UsageError(explain(error.option, rows, elsewhere));
  }
}

/** Options that went from DPDK, with those of today. */
export const GONE: Readonly<Record<string, string>> = {
  '-w': 'use -a',
  '--pci-whitelist': 'use --allow',
  '--pci-blacklist': 'use --block',
  '--master-lcore': 'use --main-lcore',
  '--txqflags': 'use --tx-offloads',
  '--disable-hw-vlan': 'tags are left alone unless --enable-hw-vlan asks for more',
  '--disable-hw-vlan-filter': 'tags are left alone unless --enable-hw-vlan-filter asks for more',
  '--disable-hw-vlan-strip': 'tags are left alone unless --enable-hw-vlan-strip asks for more',
  '--crc-strip': 'checksums of frames are always stripped',
  '--enable-rss-ip': 'use --rss-ip',
  '--tx-queue-stats-mapping': 'use show port xstats',
  '--rx-queue-stats-mapping': 'use show port xstats',
  '--pkt-filter-mode': 'there are flow rules instead',
};

function explain(option: string, here: readonly Named[], { rows, place, order }: Elsewhere): string {
  if (option in GONE) return `option '${option}' has gone from DPDK: ${GONE[option]}`;
  const there = namesOf(rows);
  if (there.includes(option)) return `option '${option}' belongs ${place}`;
  const ours = namesOf(here);
  const likely = likelyOptions(option, [...new Set([...ours, ...there])].filter(isLong));
  if (likely.length === 0) return `unknown option '${option}', see --help: ${order}`;
  const fitting = likely.filter((name) => ours.includes(name));
  if (fitting.length > 0) return `unknown option '${option}': did you mean ${fitting.join(' or ')}?`;
  const they = likely.length === 1 ? 'It belongs' : 'They belong';
  return `unknown option '${option}': did you mean ${likely.join(' or ')}? ${they} ${place}`;
}

const isLong = (name: string): boolean => name.startsWith('--');

function namesOf(rows: readonly Named[]): string[] {
  return rows.flatMap(({ long = [], short }) => [
    ...long.map((name) => `--${name}`),
    ...(short === undefined ? [] : [`-${short}`]),
  ]);
}

class UnknownOption extends UsageError {
  readonly option: string;
  constructor(option: string) {
    super(`unknown option '${option}'`);
    this.option = option;
  }
}

function applyAll<T>(rows: readonly OptionRow<T>[], args: readonly string[], target: T): void {
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg.startsWith('--')) applyLong(rows, arg, rest, target);
    else if (arg.startsWith('-') && arg.length > 1) applyShort(rows, arg, rest, target);
    else throw new UsageError(`unexpected argument '${arg}'`);
  }
}

function applyLong<T>(rows: readonly OptionRow<T>[], arg: string, rest: string[], target: T): void {
  const equals = arg.indexOf('=');
  const name = equals < 0 ? arg : arg.slice(0, equals);
  const row = longRow(rows, name.slice(2));
  if (!row) throw new UnknownOption(name);
  const given = equals < 0 ? undefined : arg.slice(equals + 1);
  if (row.arg === undefined && given !== undefined) throw new UsageError(`option '${name}' takes no value`);
  apply(row, name, given ?? (needsValue(row) ? next(name, rest) : ''), target);
}

/** As getopt_long, takes a beginning that only one option has. */
function longRow<T>(rows: readonly OptionRow<T>[], name: string): OptionRow<T> | undefined {
  const exact = rows.find((candidate) => candidate.long?.includes(name));
  if (exact || name === '') return exact;
  const begun = rows.filter((candidate) => candidate.long?.some((long) => long.startsWith(name)));
  return begun.length === 1 ? begun[0] : undefined;
}

function applyShort<T>(rows: readonly OptionRow<T>[], arg: string, rest: string[], target: T): void {
  for (let i = 1; i < arg.length; i++) {
    const name = `-${arg[i]}`;
    const row = rows.find((candidate) => candidate.short === arg[i]);
    if (!row) throw new UnknownOption(name);
    if (row.arg === undefined) {
      apply(row, name, '', target);
      continue;
    }
    const attached = arg.slice(i + 1);
    apply(row, name, attached !== '' ? attached : next(name, rest), target);
    return;
  }
}

function needsValue(row: OptionRow<never>): boolean {
  return row.arg !== undefined && !row.arg.startsWith('[');
}

function next(name: string, rest: string[]): string {
  const value = rest.shift();
  if (value === undefined) throw new UsageError(`option '${name}' needs a value`);
  return value;
}

function apply<T>(row: OptionRow<T>, name: string, value: string, target: T): void {
  try {
    row.apply?.(target, value, name);
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof PmdError)) throw error;
    throw new UsageError(`option '${name}': ${error.message}`);
  }
}

/** Parses a whole number in [min, max] for option `name`. */
export function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`option '${name}': '${text}' is not a whole number from ${min} to ${max}`);
}

/** The rows that have a help text, as lines of 80 columns; `rows` of several tables are aligned alike. */
export function optionHelp<T>(rows: readonly OptionRow<T>[], termWidth: number): string {
  const help = new Help();
  help.helpWidth = 80;
  return rows
    .filter((row) => row.help !== undefined)
    .map((row) => help.formatItem(optionTerm(row), termWidth, row.help as string, help))
    .join('\n');
}

/** "-l, --lcores LIST", and "--huge-unlink[=X]" for an optional argument. */
export function optionTerm({ long = [], short, arg }: OptionRow<never>): string {
  const names = [...(short ? [`-${short}`] : []), ...long.map((name) => `--${name}`)].join(', ');
  if (arg === undefined) return names;
  return names + (arg.startsWith('[') ? arg.replace('[', '[=') : ` ${arg}`);
}
