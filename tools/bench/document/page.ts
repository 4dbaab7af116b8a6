// SPDX-License-Identifier: BSD-3-Clause
// A run as one page that needs nothing but itself, and the same as text.
import { type Chart, chartSvg } from '../../charts/bars.ts';
import { commandHtml, figureHtml, htmlPage, listHtml, rawData } from '../../charts/page.ts';
import { escapeXml } from '../../charts/svg.ts';
import { machineLine } from '../../run/machine.ts';
import type { Sheet } from '../sheet.ts';
import { sheetText } from '../sheet-text.ts';
import { commandOf, isDone, type RunFile, type RunStep, runJson } from './run-file.ts';
import { notesHtml, sheetHtml } from './sheet-html.ts';

/** A step as it is shown. */
export interface Section {
  readonly step: RunStep;
  /** What its suite compares, as its help says it. */
  readonly asked: string;
  /** Undefined before its first case. */
  readonly sheet: Sheet | undefined;
  readonly settings: string;
  readonly charts: readonly Chart[];
}

export interface Page {
  readonly run: RunFile;
  readonly sections: readonly Section[];
  readonly sideBySide: Sheet | undefined;
  /** Against an earlier run; no sheet if nothing can be compared. */
  readonly compared?: { readonly name: string; readonly sheet: Sheet | undefined };
}

const TITLE = 'vhost-pci-bench report';
const METHOD = `Both sides of a comparison take turns in slices of a fifth of a second, and a round's ratio is the median of
the ratios of adjacent slices; tables and bars show the median of the rounds, error bars and ranges the slowest
and the fastest round. Rates count packets that arrived. A star marks a row in which something else used a
CPU, or the machine changed its speed, and repeating did not help.`;

export function pageText({ run, sections, sideBySide, compared }: Page): string {
  return [
    TITLE,
    ...facts(run),
    '',
    METHOD,
    ...(sideBySide === undefined ? [] : ['', 'Side by side', sheetText(sideBySide)]),
    ...(compared === undefined
      ? []
      : ['', `Against ${compared.name}`, compared.sheet ? sheetText(compared.sheet) : NOTHING_COMMON]),
    ...sections.flatMap(({ step, asked, sheet, settings }) => [
      ...['', `$ ${commandOf(step)}`, sentence(asked), settings],
      ...(sheet === undefined ? [] : [sheetText(sheet)]),
      ...(note(step) === undefined ? [] : [`${note(step)}`]),
    ]),
    '',
  ].join('\n');
}

const sentence = (words: string): string => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;

const NOTHING_COMMON = 'the two runs have no command in common';

export function pageHtml(page: Page): string {
  const { run, sections, sideBySide, compared } = page;
  return htmlPage(
    TITLE,
    `${listHtml(facts(run))}
<p>${escapeXml(METHOD)}</p>
${rawData('report.json', runJson(run))}
${sideBySide === undefined ? '' : `<h2>Side by side</h2>${sheetHtml(sideBySide)}`}
${compared === undefined ? '' : `<h2>Against ${escapeXml(compared.name)}</h2>${compared.sheet ? sheetHtml(compared.sheet) : notesHtml([NOTHING_COMMON])}`}
${sections.map(sectionHtml).join('\n')}`,
  );
}

function sectionHtml({ step, asked, sheet, settings, charts }: Section): string {
  const failure = note(step);
  return `<section>
<h2>${escapeXml(step.suite)}</h2>
<p>${escapeXml(sentence(asked))}</p>
${commandHtml(commandOf(step))}
<p>${escapeXml(settings)}</p>
${failure === undefined ? '' : `<p class="note">${escapeXml(failure)}</p>`}
${charts.map((chart) => figureHtml(chartSvg(chart))).join('\n')}
${sheet === undefined ? '' : sheetHtml(sheet)}
</section>`;
}

/** What is missing of a step. */
function note(step: RunStep): string | undefined {
  if (step.failure !== undefined)
    return `Not measured${step.cases.length > 0 ? ' to the end' : ''}: ${step.failure}`;
  return isDone(step) ? undefined : `Interrupted: ${step.cases.length} of ${step.wanted.length} cases`;
}

function facts({ machine, surroundings, started, quick, version, steps, resumed = [] }: RunFile): string[] {
  const { mhz, virtual, load, dpdkFlags } = surroundings;
  const stolen = steps.flatMap(({ cases }) => cases.map((each) => each.stolen));
  const most = stolen.length === 0 ? 0 : Math.max(...stolen);
  return [
    machineLine(machine),
    `vhost-pci-pmd ${version}, ${started}${quick ? ', --quick: one short round a case' : ''}`,
    `${virtual ? 'in a virtual machine' : 'on bare metal'}, CPUs at ${mhz.join(' and ')} MHz, load ${load.toFixed(1)} before the run`,
    ...resumed.map(({ at, load: then }) => `resumed ${at}, load ${then.toFixed(1)} before`),
    `the hypervisor took at most ${(100 * most).toFixed(1)} % of the CPUs in a case`,
    `DPDK was built with ${dpdkFlags ?? 'flags that pkg-config does not know here'}`,
  ];
}
