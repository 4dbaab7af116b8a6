// SPDX-License-Identifier: BSD-3-Clause
// The command "report": all suites, one after the other, into one page. Every case is written down when it
// has been measured.
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Command } from '@commander-js/extra-typings';
import { PmdError } from '../../../src/errors.ts';
import { packageVersion } from '../../../src/package-root.ts';
import { makeFolder } from '../../../src/user-file.ts';
import { chartSvg } from '../../charts/bars.ts';
import { wordList } from '../../run/arguments.ts';
import { deliverAs } from '../../run/deliver.ts';
import { installedDpdk } from '../../run/dpdk.ts';
import { describeMachine, type Machine } from '../../run/machine.ts';
import { print, tell } from '../../run/output.ts';
import { ovsVersion } from '../../run/ovs.ts';
import { writeWhole } from '../../run/whole-file.ts';
import { Workspace } from '../../run/workspace.ts';
import { againstRun, sideBySide } from '../document/comparison.ts';
import { holdFolder, setAside } from '../document/one-run.ts';
import { type Page, pageHtml, pageText, type Section } from '../document/page.ts';
import { ReportFolder } from '../document/report-folder.ts';
import { takeOver } from '../document/resumed-run.ts';
import { commandOf, newRun, type RunFile, type RunStep, readRun, runJson } from '../document/run-file.ts';
import { remaining } from '../document/time-left.ts';
import { describeSurroundings, stolenShare } from '../instruments/surroundings.ts';
import { settingsLine } from '../report.ts';
import type { Prepared } from '../suite.ts';
import { SUITES } from './table.ts';

const ROUNDS = '--rounds 3 --seconds 1';
export const FULL = [
  'loopback --copying',
  'loopback --packed --copying --sizes 64',
  'loopback --cases relay,macswap --sizes 64',
  'ovs',
  'memif',
  'chain',
  'latency',
  'in-place --cases tx',
  'limit',
  'pktgen',
  'interrupts --peer builtin --cases rx',
].map((line) => `${line} ${ROUNDS}`);
const SHORT = '--rounds 1 --seconds 0.4';
export const QUICK = [
  'loopback --copying --sizes 64',
  'ovs --flows fixed --sizes 64 --no-tune',
  'memif --modes copying --sizes 64',
  'chain --lengths 2,7 --figures throughput --no-tune',
  'latency',
  'limit',
  'pktgen --figures rates,max --rates 1mpps',
].map((line) => `${line} ${SHORT}`);

const suiteOf = (line: string): string => line.split(' ')[0] as string;
const NAMES = [...new Set(FULL.map(suiteOf))];

interface Options {
  readonly out: string;
  readonly quick?: true;
  readonly resume?: true;
  readonly repeatDisturbed?: true;
  readonly suites?: readonly string[];
  readonly compare?: string;
}

export function addReport(program: Command): void {
  program
    .command('report')
    .description('all suites into one HTML page with charts, and the same as text, SVG and JSON')
    .option('--out <folder>', 'where the page and its parts go', 'vhost-pci-report')
    .option('--quick', 'one short round of the main cases: about four minutes on a quiet machine')
    .option('--suites <list>', 'only these suites', wordList(NAMES))
    .option('--resume', 'keep what an interrupted run has measured, and measure the rest')
    .option('--repeat-disturbed', 'with --resume, measure cases anew whose rows were disturbed')
    .option('--compare <file>', 'show the report.json of an earlier run beside it')
    .addHelpText(
      'after',
      `
The folder gets report.html, which needs no network and has the raw data in it,
report.txt, report.json and a file for each chart; they are written anew after
every case. A suite that lacks Open vSwitch, DPDK or hugepages is left out, and
the page says what to install.`,
    )
    .action((options) => report(options as Options));
}

/** A step of the run, and the suite that measures it. */
interface Work {
  readonly step: RunStep;
  readonly prepared: Prepared;
}

async function report(options: Options): Promise<void> {
  const { out, quick = false, resume, repeatDisturbed = false, compare } = options;
  if (repeatDisturbed && !resume)
    throw new PmdError('VPCI_USAGE', '--repeat-disturbed needs --resume: it repeats cases of an earlier run');
  const earlier = compare === undefined ? undefined : { name: basename(compare), run: readRun(compare) };
  const lines = (quick ? QUICK : FULL).filter((line) => wants(options, suiteOf(line)));
  const left = options.suites?.filter((name) => !lines.some((line) => suiteOf(line) === name)) ?? [];
  if (left.length > 0)
    throw new PmdError('VPCI_USAGE', `--quick has no case of ${left.join(', ')}: leave --quick or them out`);
  const planned = lines.map(workOf);
  const hugepages = planned.every(({ prepared }) => prepared.settings.hugepages);
  const run = newRun({
    ...{ version: packageVersion(), quick, steps: planned.map(({ step }) => step) },
    ...{ machine: describeMachine(undefined, hugepages), surroundings: describeSurroundings() },
  });
  if (out === '') throw new PmdError('VPCI_USAGE', '--out needs the name of a folder');
  if (!resume) makeFolder(out);
  if (existsSync(out)) await holdFolder(out);
  const before = join(out, 'report.json');
  if (resume) {
    const interrupted = { file: before, run: readRun(before), repeatDisturbed };
    takeOver(run, interrupted, await machineNow(hugepages));
  }
  const kept = run.steps.slice(planned.length).map((step) => keptWork(step, before));
  const works = [...planned, ...kept];
  const page = (): Page => ({
    ...{ run, sections: works.map(sectionOf), sideBySide: sideBySide(run) },
    ...(earlier && { compared: { name: earlier.name, sheet: againstRun(run, earlier.run) } }),
  });
  if (resume) requireShown(page, before);
  if (!resume || repeatDisturbed) keepEarlier(out);
  const folder = new ReportFolder(out, (line) => tell(`vhost-pci-bench: ${line}`));
  for (const [name, text] of filesOf(page())) writeWhole(folder.path(name), text);
  const interrupted = () => tell(`interrupted; what was measured is in ${out}: --resume measures the rest`);
  process.once('exit', interrupted);
  await measureAll(run, planned, () => folder.save(filesOf(page())));
  process.off('exit', interrupted);
  folder.save(filesOf(page()));
  print(pageText(page()).trimEnd());
  conclude(folder, run, [...filesOf(page()).keys()]);
}

/** With the versions of DPDK and Open vSwitch that are installed. */
async function machineNow(hugepages: boolean): Promise<Machine> {
  const ovs = ovsVersion().catch(() => undefined);
  return describeMachine(await installedDpdk(), hugepages, await ovs);
}

/** A step that an earlier run has measured, and this one only shows. Throws one line that names the file. */
function keptWork(step: RunStep, file: string): Work {
  try {
    return { step, prepared: workOf([step.suite, ...step.args].join(' ')).prepared };
  } catch {
    throw otherRows(file);
  }
}

/** Throws one line if the rows of an earlier run are not those that the suites have now. */
function requireShown(page: () => Page, file: string): void {
  try {
    filesOf(page());
  } catch {
    throw otherRows(file);
  }
}

const otherRows = (file: string): PmdError =>
  new PmdError(
    'VPCI_BENCH_REPORT',
    `${file} has rows of another version, which this one does not show: start a new run without --resume`,
  );

function keepEarlier(out: string): void {
  const kept = setAside(out);
  if (kept !== undefined) tell(`the figures of the run before are now ${kept}`);
}

/** Says where the report is; figures that the folder has no room for go elsewhere. */
function conclude(folder: ReportFolder, run: RunFile, names: readonly string[]): void {
  const json = folder.path('report.json');
  const kept = !folder.isStale('report.json') || deliverAs('vhost-pci-bench')(runJson(run), json, 'json');
  if (names.some((name) => folder.isStale(name))) process.exitCode = 1;
  if (!folder.isStale('report.html'))
    tell(`${folder.path('report.html')}: the page; report.txt, report.json and the charts are beside it`);
  else if (kept) tell(`${json}: all figures; when there is room, --resume makes the page of them`);
}

const wants = ({ suites }: Options, name: string): boolean => suites === undefined || suites.includes(name);

/** `line`: what follows the program's name on a command line. */
function workOf(line: string): Work {
  const [name = '', ...args] = line.split(' ');
  const suite = SUITES.find((each) => each.name === name);
  if (suite === undefined) throw new RangeError(`no suite ${name}`);
  const prepared = suite.prepare(args, () => {});
  const wanted = prepared.cases.map((each) => each.name);
  return { prepared, step: { suite: name, args, wanted, cases: [] } };
}

async function measureAll(run: RunFile, works: readonly Work[], save: () => void): Promise<void> {
  const workspace = new Workspace();
  const memo = new Map<string, unknown>();
  const steps = works.map(({ step }) => step);
  const guess = (step: RunStep): number =>
    works.find((work) => work.step === step)?.prepared.caseSeconds ?? 0;
  for (const { step, prepared } of works) {
    for (const wanted of prepared.cases) {
      if (step.failure !== undefined || step.cases.some(({ name }) => name === wanted.name)) continue;
      const [start, stolen] = [performance.now(), stolenShare()];
      const spent = () => (performance.now() - start) / 1000;
      const progress = (line: string) =>
        tell(
          `[${remaining({ steps }, { guess, current: { step, seconds: spent() } })}] ${step.suite} ${line}`,
        );
      try {
        const results = await prepared.run(wanted, { workspace, memo, progress });
        const { dpdkVersion = run.machine.dpdk ?? undefined, ovsVersion = run.machine.ovs } = results;
        run.machine = describeMachine(dpdkVersion, run.machine.hugepages, ovsVersion);
        step.cases.push({ name: wanted.name, seconds: spent(), stolen: stolen(), rows: results.rows });
        // A case that is repeated stands where it stood.
        step.cases.sort((a, b) => step.wanted.indexOf(a.name) - step.wanted.indexOf(b.name));
      } catch (error) {
        step.failure = (error as Error).message;
        if (!isLeftOut(error as Error)) process.exitCode = 1;
        tell(`${commandOf(step)}: ${step.failure}`);
      }
      save();
    }
  }
}

/** Whether the machine lacks what the suite needs, which is no failure. */
const isLeftOut = (error: Error): boolean =>
  error instanceof PmdError && ['VPCI_NO_DPDK', 'VPCI_NO_OVS', 'VPCI_FEW_HUGEPAGES'].includes(error.code);

function sectionOf({ step, prepared }: Work): Section {
  const rows = step.cases.flatMap((each) => each.rows);
  return {
    ...{ step, asked: prepared.description, settings: settingsLine(prepared.settings) },
    sheet: rows.length === 0 ? undefined : prepared.sheet(rows),
    charts: rows.length === 0 ? [] : prepared.charts(rows),
  };
}

/** Every file of the report by its name, the figures first. */
function filesOf(page: Page): Map<string, string> {
  const charts = page.sections.flatMap(({ step, charts }, at) =>
    charts.map((chart, index) => [`${at + 1}-${step.suite}-${index + 1}.svg`, chartSvg(chart)] as const),
  );
  return new Map([
    ['report.json', runJson(page.run)],
    ['report.html', pageHtml(page)],
    ['report.txt', pageText(page)],
    ...charts,
  ]);
}
