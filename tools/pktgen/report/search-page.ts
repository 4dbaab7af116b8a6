// SPDX-License-Identifier: BSD-3-Clause
// A search as sections of a page: what it found, and its trials.
import { lineSvg, type Point } from '../../charts/lines.ts';
import { figureHtml, tableHtml } from '../../charts/page.ts';
import { largest } from '../../charts/scale.ts';
import { escapeXml } from '../../charts/svg.ts';
import { rateText } from '../plan/rate.ts';
import { percentText, us } from '../text.ts';
import { type Figure, figureTable, rateUnit, shown, THEN } from './compared.ts';
import { type Json, numberAt, objectsAt, textAt } from './json.ts';

/** The fastest trial that kept to the limits. */
const best = (json: Json): Json =>
  objectsAt(json, 'steps').findLast(
    (step) => textAt(step, 'failure') === null && numberAt(step, 'pps') === numberAt(json, 'pps'),
  ) ?? {};

const FIGURES: readonly Figure[] = [
  { name: 'highest rate that kept to the limits', of: (json) => numberAt(json, 'pps'), text: rateText },
  { name: 'lowest rate that did not', of: (json) => numberAt(json, 'failed'), text: rateText },
  {
    name: 'loss that was allowed',
    of: (json) => numberAt(json, 'loss'),
    text: (value) => percentText(value, 1),
  },
  {
    name: 'latency at the rate found, p99',
    of: (json) => numberAt(best(json), 'p99Ns'),
    text: (ns) => `${us(ns)} us`,
  },
  { name: 'trials', of: (json) => objectsAt(json, 'steps').length, text: String },
  { name: 'trials that were disturbed', of: (json) => numberAt(json, 'disturbed'), text: String },
];

export function searchSections(now: Json, then: Json | undefined): string {
  const doubts = [...doubtsOf(now, ''), ...(then === undefined ? [] : doubtsOf(then, `${THEN}: `))];
  return [
    ...doubts.map((doubt) => `<p class="note">${escapeXml(doubt)}</p>`),
    '<h2>Result</h2>',
    tableHtml(figureTable(FIGURES, now, then)),
    '<h2>Trials</h2>',
    trialsOf(now, 'Trials of this search'),
    ...(then === undefined ? [] : ['<h2>Trials of the earlier search</h2>', trialsOf(then, 'Its trials')]),
  ].join('\n');
}

const doubtsOf = (json: Json, before: string): string[] => [
  ...(json.complete === false ? [`${before}The search ended early.`] : []),
  ...(json.reliable === false
    ? [`${before}Most of the rates that failed did so in disturbed trials only.`]
    : []),
];

function trialsOf(json: Json, title: string): string {
  const steps = objectsAt(json, 'steps');
  const { unit, scale } = rateUnit(
    largest(
      steps.map((step) => numberAt(step, 'pps') ?? 0),
      0,
    ),
  );
  const points = (passed: boolean) =>
    steps.flatMap((step, i): Point[] => {
      const pps = numberAt(step, 'pps');
      return pps === null || (textAt(step, 'failure') === null) !== passed ? [] : [[i + 1, pps / scale]];
    });
  const curves = [
    { name: 'kept to the limits', points: points(true), dots: true, series: 0 },
    { name: 'failed', points: points(false), dots: true, series: 1 },
  ];
  // From 0 to one more than there are, which leaves room at both ends.
  const places = Array.from({ length: steps.length + 2 }, (_, i) => ({
    at: i,
    name: i === 0 || i > steps.length ? '' : `${i}`,
  }));
  const rows = steps.map((step, i) => [
    `${i + 1}`,
    shown(numberAt(step, 'pps'), rateText),
    ...['sent', 'unsent', 'received', 'lost'].map((key) => shown(numberAt(step, key), String)),
    shown(numberAt(step, 'p99Ns'), us),
    `${textAt(step, 'failure') ?? 'kept to the limits'}${step.disturbed === true ? ' (disturbed)' : ''}`,
  ]);
  return [
    figureHtml(lineSvg({ title, unit, across: 'trial', places, curves, logarithmic: true })),
    tableHtml({
      head: ['trial', 'rate', 'sent', 'unsent', 'received', 'lost', 'p99 us', ''],
      rows,
      remarks: true,
    }),
  ].join('\n');
}
