// SPDX-License-Identifier: BSD-3-Clause
// A suite: one comparison as a value, from which every suite gets its subcommand, run and report.
import type { Command, OptionValues } from '@commander-js/extra-typings';
import { PmdError } from '../../src/errors.ts';
import { exitProcess } from '../../src/process-end.ts';
import { requireWritable } from '../../src/user-file.ts';
import type { Chart } from '../charts/bars.ts';
import { CommandOfOnce } from '../run/command.ts';
import { deliverAs } from '../run/deliver.ts';
import { requireDpdk } from '../run/dpdk.ts';
import { describeMachine, machineLine } from '../run/machine.ts';
import { tell } from '../run/output.ts';
import { Workspace } from '../run/workspace.ts';
import type { Case } from './cases.ts';
import { duration, expectedSeconds, type Overhead } from './expected-time.ts';
import { interruptible, resultUntil } from './interruption.ts';
import { ineffective, type Rule } from './option-checks.ts';
import { addCommonOptions, type CommonOptions, settle } from './options.ts';
import { reportJson, settingsLine } from './report.ts';
import type { PeerKind, Settings } from './settings.ts';
import { footnote, type Sheet } from './sheet.ts';
import { sheetText } from './sheet-text.ts';
import { requirePeerFor } from './sides/peers.ts';

/** What a suite's run gets. */
export interface Plan {
  readonly settings: Settings;
  /** Those to be measured now; `all` has the others of this run too. */
  readonly cases: readonly Case[];
  readonly all: readonly Case[];
  readonly workspace: Workspace;
  /** Called with one line per round. */
  readonly progress: (line: string) => void;
  /** What has been found out once for several runs, by a name for it: see once(). */
  readonly memo: Map<string, unknown>;
  /** Ends the rounds of a case early. */
  readonly signal?: AbortSignal;
}

/** The result of `work`, which is done only once for all runs that share a memo. */
export async function once<T>({ memo }: Plan, name: string, work: () => Promise<T>): Promise<T> {
  if (!memo.has(name)) memo.set(name, await work());
  return memo.get(name) as T;
}

const TMPFS = '/dev/shm';

/** A workspace in memory, for the files that two sides share: one for all runs that share a memo. */
export const memoryOf = (plan: Plan): Promise<Workspace> =>
  once(plan, TMPFS, async () => new Workspace(TMPFS));

export interface Results<Row> {
  readonly rows: readonly Row[];
  /** Undefined when DPDK did not run. */
  readonly dpdkVersion: string | undefined;
  /** When Open vSwitch ran. */
  readonly ovsVersion?: string | undefined;
}

/** `Own` is the type of the suite's own options; a row holds a case's results. */
export interface SuiteSpec<Own extends OptionValues, Row> {
  readonly name: string;
  readonly description: string;
  /** Text below the options in --help. */
  readonly notes?: string;
  /** Always measures with this peer; if left out, --peer chooses. */
  readonly peer?: PeerKind;
  /** Whether anything of DPDK runs; if left out, when it is the peer. */
  needsDpdk?(options: Own & CommonOptions): boolean;
  /** Adds the suite's own options, with their defaults, before the common ones. */
  options(command: Command): Command<[], Own>;
  /** Options that are refused beside others, as they would have no effect. */
  readonly rules?: readonly Rule<Own & CommonOptions>[];
  cases(options: Own): Case[];
  /** How many each case makes; one, if left out. */
  comparisons?(options: Own): number;
  /** How long it takes beside its turns; as most do, if left out. */
  overhead?(options: Own): Overhead;
  /** Called for one case after another, so that each can be kept. Throws PmdError. */
  run(plan: Plan, options: Own): Promise<Results<Row>>;
  sheet(rows: readonly Row[]): Sheet;
  charts(rows: readonly Row[]): Chart[];
}

/** A suite with its options, as a command line gave them. */
export interface Prepared {
  readonly suite: string;
  readonly description: string;
  readonly settings: Settings;
  readonly cases: readonly Case[];
  /** What a case may take on a quiet machine. */
  readonly caseSeconds: number;
  run(wanted: Case, around: Omit<Plan, 'settings' | 'cases' | 'all'>): Promise<Results<unknown>>;
  sheet(rows: readonly unknown[]): Sheet;
  charts(rows: readonly unknown[]): Chart[];
}

export interface Suite {
  readonly name: string;
  /** `args`: the words after the suite's name. `say` is as for settle(). Throws one line about an option. */
  prepare(args: readonly string[], say: (line: string) => void): Prepared;
  /** Adds the suite as a subcommand. */
  addTo(program: Command): void;
}

export const defineSuite = <Own extends OptionValues, Row>(spec: SuiteSpec<Own, Row>): Suite => ({
  name: spec.name,
  prepare: (args, say) => prepare(spec, args, say),
  addTo(program) {
    const command = withOptions(spec, program.command(spec.name).description(spec.description));
    if (spec.notes !== undefined) command.addHelpText('after', `\n${spec.notes}`);
    command.action(() => {
      const options = optionsOf(spec, command);
      const mistake = mistakeIn(spec, command, options);
      if (mistake !== undefined) command.error(`error: ${mistake}`);
      return runSuite(spec, options);
    });
  },
});

function withOptions<Own extends OptionValues, Row>(spec: SuiteSpec<Own, Row>, empty: Command): Command {
  const command = spec.options(empty) as unknown as Command;
  addCommonOptions(command, spec.peer === undefined);
  return command;
}

const optionsOf = <Own extends OptionValues, Row>({ peer }: SuiteSpec<Own, Row>, command: Command) =>
  ({ peer, ...command.opts() }) as unknown as Own & CommonOptions;

const mistakeIn = <Own extends OptionValues, Row>(
  { rules = [] }: SuiteSpec<Own, Row>,
  command: Command,
  options: Own & CommonOptions,
): string | undefined => ineffective(rules, options, (key) => command.getOptionValueSource(key) === 'cli');

function prepare<Own extends OptionValues, Row>(
  spec: SuiteSpec<Own, Row>,
  args: readonly string[],
  say: (line: string) => void,
): Prepared {
  const quiet = new CommandOfOnce(spec.name).exitOverride().configureOutput({ writeOut() {}, writeErr() {} });
  const command = withOptions(spec, quiet).parse([...args], { from: 'user' });
  const options = optionsOf(spec, command);
  const mistake = mistakeIn(spec, command, options);
  if (mistake !== undefined) throw new PmdError('VPCI_ARGUMENT', mistake);
  const settings = settle(options, say);
  const all = spec.cases(options);
  return {
    ...{ suite: spec.name, description: spec.description, settings, cases: all },
    caseSeconds: secondsOfCase(spec, options, settings),
    run: (wanted, around) => {
      requireParts(spec, options);
      return spec.run({ ...around, settings, all, cases: [wanted] }, options);
    },
    sheet: (rows) => spec.sheet(rows as readonly Row[]),
    charts: (rows) => spec.charts(rows as readonly Row[]),
  };
}

function requireParts<Own extends OptionValues, Row>(
  { needsDpdk = ({ peer }) => peer === 'dpdk' }: SuiteSpec<Own, Row>,
  options: Own & CommonOptions,
): void {
  if (needsDpdk(options)) requireDpdk();
}

async function runSuite<Own extends OptionValues, Row>(
  spec: SuiteSpec<Own, Row>,
  options: Own & CommonOptions,
): Promise<void> {
  requireParts(spec, options);
  const cases = spec.cases(options);
  requirePeerFor(options.peer, cases);
  const settings = settle(options, tell);
  if (options.json !== undefined) requireWritable(options.json, 'the report');
  tell(firstLine(spec, options, settings, cases));
  const around = { settings, all: cases, workspace: new Workspace(), progress: tell, memo: new Map() };
  const measured: Results<Row>[] = [];
  const signal = interruptible();
  let inPart: Case | undefined;
  const interrupted = () => {
    if (measured.length === 0) return;
    const whole = inPart === undefined ? measured.length : measured.length - 1;
    const part = inPart === undefined ? '' : `, and rounds of ${inPart.name}`;
    tell(`interrupted: ${whole} of ${cases.length} cases were measured${part}`);
    deliverResults(spec, options, settings, measured, inPart?.name);
  };
  process.once('exit', interrupted);
  for (const wanted of cases) {
    const results = await resultUntil(signal, spec.run({ ...around, signal, cases: [wanted] }, options));
    if (results !== undefined) measured.push(results);
    if (!signal.aborted) continue;
    if (results !== undefined) inPart = wanted;
    exitProcess(signal.reason);
  }
  process.off('exit', interrupted);
  if (!deliverResults(spec, options, settings, measured)) process.exitCode = 1;
}

/** Of a case, on a quiet machine. */
function secondsOfCase<Own extends OptionValues, Row>(
  spec: SuiteSpec<Own, Row>,
  options: Own,
  settings: Settings,
): number {
  const counts = { cases: spec.cases(options).length, comparisons: spec.comparisons?.(options) };
  return expectedSeconds(settings, counts, spec.overhead?.(options));
}

function firstLine<Own extends OptionValues, Row>(
  spec: SuiteSpec<Own, Row>,
  options: Own & CommonOptions,
  settings: Settings,
  cases: readonly Case[],
): string {
  const cpus = `CPU ${settings.backEndCpu} against CPU ${settings.peerCpu}`;
  const seconds = cases.length * secondsOfCase(spec, options, settings);
  const names = cases.map((each) => each.name).join(', ');
  return `${spec.name}: ${names}; ${settingsLine(settings)}, ${cpus}; about ${duration(seconds)} on a quiet machine`;
}

/** Returns false if a part of it went elsewhere. */
function deliverResults<Own extends OptionValues, Row>(
  spec: SuiteSpec<Own, Row>,
  options: Own & CommonOptions,
  settings: Settings,
  measured: readonly Results<Row>[],
  inPart?: string,
): boolean {
  const rows = measured.flatMap((each) => each.rows);
  const version = (of: 'dpdkVersion' | 'ovsVersion') => measured.find((each) => each[of] !== undefined)?.[of];
  const machine = describeMachine(version('dpdkVersion'), settings.hugepages, version('ovsVersion'));
  const { json, huge: _, cpus: __, ...asked } = options;
  const sheet = spec.sheet(rows);
  const mark = inPart === undefined ? undefined : `interrupted: ${inPart} has the rounds until then only`;
  const lines = [sheetText(sheet), footnote(sheet), mark, settingsLine(settings), machineLine(machine)];
  const text = lines.flatMap((line) => (line === undefined ? [] : `${line}\n`)).join('');
  const whole = reportJson({
    suite: spec.name,
    machine,
    settings: { ...asked, ...settings },
    rows,
    interrupted: inPart,
  });
  const written = json === undefined || deliver(whole, json, 'json');
  return deliver(text, '-', 'txt') && written;
}

const deliver = deliverAs('vhost-pci-bench');
