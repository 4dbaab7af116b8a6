// SPDX-License-Identifier: BSD-3-Clause
// A suite: one comparison as a value, from which every suite gets its subcommand, run and report.
import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command, OptionValues } from '@commander-js/extra-typings';
import { failedTo } from '../../src/errors.ts';
import { requireDpdk } from '../run/dpdk.ts';
import { print, tell } from '../run/output.ts';
import { Workspace } from '../run/workspace.ts';
import type { Case } from './cases.ts';
import { describeMachine } from './instruments/machine.ts';
import { addCommonOptions, type CommonOptions, settle } from './options.ts';
import { footnote, machineLine, reportJson, settingsLine } from './report.ts';
import type { PeerKind, Settings } from './settings.ts';
import { requirePeerFor } from './sides/peers.ts';

/** What a suite's run gets. */
export interface Plan {
  readonly settings: Settings;
  readonly cases: readonly Case[];
  readonly workspace: Workspace;
  /** Called with one line per round. */
  readonly progress: (line: string) => void;
}

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
  /** Measures DPDK, whichever peer is used. */
  readonly needsDpdk?: boolean;
  /** Adds the suite's own options, with their defaults, before the common ones. */
  options(command: Command): Command<[], Own>;
  cases(options: Own): Case[];
  /** Throws PmdError. */
  run(plan: Plan, options: Own): Promise<Results<Row>>;
  table(rows: readonly Row[]): string;
}

export interface Suite {
  readonly name: string;
  /** Adds the suite as a subcommand. */
  addTo(program: Command): void;
}

export const defineSuite = <Own extends OptionValues, Row>(spec: SuiteSpec<Own, Row>): Suite => ({
  name: spec.name,
  addTo(program) {
    const own = spec.options(program.command(spec.name).description(spec.description));
    const command = own as unknown as Command;
    addCommonOptions(command, spec.peer === undefined);
    if (spec.notes !== undefined) command.addHelpText('after', `\n${spec.notes}`);
    command.action((given) =>
      runSuite(spec, { peer: spec.peer, ...given } as unknown as Own & CommonOptions),
    );
  },
});

async function runSuite<Own extends OptionValues, Row>(
  spec: SuiteSpec<Own, Row>,
  options: Own & CommonOptions,
): Promise<void> {
  if (spec.needsDpdk || options.peer === 'dpdk') requireDpdk();
  const cases = spec.cases(options);
  requirePeerFor(options.peer, cases);
  const settings = settle(options, tell);
  requireWritable(options.json);
  const cpus = `CPU ${settings.backEndCpu} against CPU ${settings.peerCpu}`;
  tell(`${spec.name}: ${cases.map(({ name }) => name).join(', ')}; ${settingsLine(settings)}, ${cpus}`);
  const plan = { settings, cases, workspace: new Workspace(), progress: tell };
  const { rows, dpdkVersion, ovsVersion } = await spec.run(plan, options);
  const machine = describeMachine(dpdkVersion, settings.hugepages, ovsVersion);
  print(spec.table(rows));
  const note = footnote(rows);
  if (note !== undefined) print(note);
  print(settingsLine(settings));
  print(machineLine(machine));
  if (options.json === undefined) return;
  try {
    const { json, huge: _, cpus: __, ...asked } = options;
    const report = { suite: spec.name, machine, settings: { ...asked, ...settings }, rows };
    writeFileSync(json, reportJson(report));
  } catch (error) {
    throw failedTo(`write ${options.json}`, error);
  }
}

/** Checked before the run: better now than after ten minutes. */
function requireWritable(file: string | undefined): void {
  if (file === undefined) return;
  try {
    if (file === '') throw new Error('the name is empty');
    if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) throw new Error('it is a directory');
    accessSync(existsSync(file) ? file : dirname(file), constants.W_OK);
  } catch (error) {
    throw failedTo(`write ${file === '' ? 'the report' : file}`, error);
  }
}
