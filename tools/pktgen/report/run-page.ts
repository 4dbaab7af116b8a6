// SPDX-License-Identifier: BSD-3-Clause
// A run as sections of a page: its figures, rates over time, latencies, and its streams.
import { type Curve, type LineChart, lineSvg, type Point } from '../../charts/lines.ts';
import { figureHtml, type HtmlTable, listHtml, tableHtml } from '../../charts/page.ts';
import { largest } from '../../charts/scale.ts';
import { rateText } from '../plan/rate.ts';
import { bitsText, percentText, us } from '../text.ts';
import { type Figure, figureTable, NOW, rateUnit, ratioText, shown, THEN } from './compared.ts';
import { type Json, numberAt, objectAt, objectsAt, textAt, textsAt } from './json.ts';

const whole = (value: number): string => `${value}`;
const micro = (ns: number): string => `${us(ns)} us`;
const share = (value: number): string => percentText(value, 1);

const at =
  (path: string) =>
  (json: Json): number | null =>
    numberAt(json, path);
/** The quotient of two figures. */
const per = (part: string, all: string, factor = 1) => {
  return (json: Json): number | null => {
    const [a, b] = [numberAt(json, part), numberAt(json, all)];
    return a === null || b === null || b === 0 ? null : (factor * a) / b;
  };
};

const FIGURES: readonly Figure[] = [
  { name: 'rate', of: per('sent', 'seconds'), text: rateText },
  { name: 'bits of frames per second', of: per('txBytes', 'seconds', 8), text: bitsText },
  { name: 'seconds', of: at('seconds'), text: (value) => value.toFixed(3) },
  { name: 'due', of: at('offered'), text: whole },
  { name: 'sent', of: at('sent'), text: whole },
  { name: 'unsent', of: at('unsent'), text: whole },
  { name: 'unsent, of those due', of: per('unsent', 'offered'), text: share },
  { name: 'received', of: at('received'), text: whole },
  { name: 'lost', of: at('lost'), text: whole },
  { name: 'lost, of those sent', of: per('lost', 'sent'), text: share },
  { name: 'out of order', of: at('reordered'), text: whole },
  { name: 'duplicates', of: at('duplicates'), text: whole },
  { name: 'foreign', of: at('foreign'), text: whole },
  { name: 'latency, shortest', of: at('latency.minNs'), text: micro },
  { name: 'latency, mean', of: at('latency.avgNs'), text: micro },
  { name: 'latency, median', of: at('latency.p50Ns'), text: micro },
  { name: 'latency, p90', of: at('latency.p90Ns'), text: micro },
  { name: 'latency, p99', of: at('latency.p99Ns'), text: micro },
  { name: 'latency, p99.9', of: at('latency.p999Ns'), text: micro },
  { name: 'latency, longest', of: at('latency.maxNs'), text: micro },
  { name: 'jitter', of: at('latency.jitterNs'), text: micro },
  { name: 'gaps off by, median', of: at('gaps.medianNs'), text: micro },
  { name: 'gaps off by, p99', of: at('gaps.p99Ns'), text: micro },
  { name: 'gaps within 5 us or 1 %', of: at('gaps.near'), text: share },
  { name: 'times the queue was full', of: at('queueFull'), text: whole },
  { name: 'times off its CPU', of: at('stalls.count'), text: whole },
  { name: 'longest time off its CPU', of: at('stalls.longestUs'), text: (value) => `${value.toFixed(0)} us` },
];

export function runSections(now: Json, then: Json | undefined): string {
  const remarks = [...remarksOf(now), ...(then === undefined ? [] : remarksOf(then, `${THEN}: `))];
  const changes = objectsAt(now, 'changes').flatMap((change, i) => changeText(change, i) ?? []);
  const charts = [ratesChart(now, then), latencyChart(now, then)].flatMap((chart) => chart ?? []);
  return [
    ...(remarks.length === 0 ? [] : [listHtml(remarks)]),
    charts.map((chart) => figureHtml(lineSvg(chart))).join('\n'),
    ...(changes.length === 0 ? [] : ['<h2>Changes while frames were sent</h2>', listHtml(changes)]),
    '<h2>Figures</h2>',
    tableHtml(figureTable(FIGURES, now, then)),
    '<h2>Streams</h2>',
    tableHtml(streamTable(now)),
    ...(then === undefined ? [] : comparedStreams(now, then)),
  ].join('\n');
}

const remarksOf = (json: Json, before = ''): string[] =>
  ['failures', 'disturbances'].flatMap((key) => textsAt(json, key).map((remark) => `${before}${remark}`));

/** By the numbers that the chart has. */
const changeText = (change: Json, i: number): string | undefined => {
  const [seconds, what] = [numberAt(change, 'seconds'), textAt(change, 'change')];
  return seconds === null || what === null ? undefined : `${i + 1}. ${seconds.toFixed(3)} s: ${what}`;
};

/** Undefined without rates over time. */
function ratesChart(now: Json, then: Json | undefined): LineChart | undefined {
  const runs = [now, ...(then === undefined ? [] : [then])].map((json) => objectsAt(json, 'rates'));
  const rates = runs.flat().flatMap((each) => [numberAt(each, 'sentPps'), numberAt(each, 'receivedPps')]);
  const most = largest(rates.map(Number), 0);
  if (most === 0) return undefined;
  const { unit, scale } = rateUnit(most);
  const curves = runs.flatMap((periods, run) =>
    (['sent', 'received'] as const).flatMap((key): Curve[] => {
      const points = stepsOf(periods, `${key}Pps`, scale);
      if (points.length === 0) return [];
      return [
        {
          name: run === 0 ? key : `${key}, ${THEN}`,
          // Mostly what was sent came back.
          ...{ points, dashed: key === 'sent', series: 2 * run + Number(key !== 'sent') },
        },
      ];
    }),
  );
  const marks = objectsAt(now, 'changes').flatMap((change, i) => {
    const seconds = numberAt(change, 'seconds');
    return seconds === null ? [] : [{ at: seconds, name: `${i + 1}` }];
  });
  return { title: 'Frames per second over the run', unit, across: 'seconds', curves, marks };
}

/** A rate is that of its whole period. */
function stepsOf(periods: readonly Json[], key: string, scale: number): Point[] {
  let begin = 0;
  return periods.flatMap((period): Point[] => {
    const [end, pps] = [numberAt(period, 'seconds'), numberAt(period, key)];
    if (end === null || pps === null) return [];
    const steps: Point[] = [
      [begin, pps / scale],
      [end, pps / scale],
    ];
    begin = end;
    return steps;
  });
}

/** Percentiles at equal distances where the share above them is ten times less each time. */
const place = (percent: number): number => (percent >= 100 ? LAST_PLACE : -Math.log10(1 - percent / 100));
const LAST_PLACE = 6;
const PLACES = ['0', '90', '99', '99.9', '99.99', '99.999'].map((name) => ({
  at: place(Number(name)),
  name,
}));

/** Undefined without latencies. */
function latencyChart(now: Json, then: Json | undefined): LineChart | undefined {
  const runs = [now, ...(then === undefined ? [] : [then])];
  const curves = runs.flatMap((json, run): Curve[] => {
    const points = pointsOf(json);
    // In the colours that the frames received have above.
    return points.length === 0 ? [] : [{ name: run === 0 ? NOW : THEN, points, series: 2 * run + 1 }];
  });
  if (curves.length === 0) return undefined;
  return {
    ...{ title: 'Latency by percentile', unit: 'us', across: 'per cent of the frames that took no longer' },
    ...{ curves, logarithmic: true, places: [...PLACES, { at: LAST_PLACE, name: '100' }] },
  };
}

function pointsOf(json: Json): Point[] {
  const points = objectsAt(json, 'percentiles').flatMap((each): Point[] => {
    const [percent, ns] = [numberAt(each, 'percent'), numberAt(each, 'ns')];
    return percent === null || ns === null || ns <= 0 ? [] : [[place(percent), ns / 1000]];
  });
  return points;
}

const STREAM: readonly (readonly [string, (json: Json) => number | null, (value: number) => string])[] = [
  ['sent', at('sent'), whole],
  ['unsent', at('unsent'), whole],
  ['received', at('received'), whole],
  ['lost', at('lost'), whole],
  ['out of order', at('reordered'), whole],
  ['duplicates', at('duplicates'), whole],
  ['min us', at('latency.minNs'), us],
  ['p50 us', at('latency.p50Ns'), us],
  ['p99 us', at('latency.p99Ns'), us],
  ['max us', at('latency.maxNs'), us],
];

function streamTable(now: Json): HtmlTable {
  const seconds = numberAt(now, 'seconds');
  const rows = objectsAt(now, 'streams').map((stream) => [
    textAt(stream, 'name') ?? '-',
    shown(rateOf(stream, seconds), rateText),
    ...STREAM.map(([, of, text]) => shown(of(stream), text)),
  ]);
  return { head: ['stream', 'rate', ...STREAM.map(([name]) => name)], rows };
}

function rateOf(stream: Json, seconds: number | null): number | null {
  const sent = numberAt(stream, 'sent');
  return sent === null || seconds === null || seconds === 0 ? null : sent / seconds;
}

/** The streams that both runs have, by their names. */
function comparedStreams(now: Json, then: Json): string[] {
  const before = new Map(objectsAt(then, 'streams').map((stream) => [textAt(stream, 'name'), stream]));
  const [seconds, secondsThen] = [numberAt(now, 'seconds'), numberAt(then, 'seconds')];
  const rows = objectsAt(now, 'streams').flatMap((stream) => {
    const other = before.get(textAt(stream, 'name'));
    if (other === undefined) return [];
    const [rate, rateThen] = [rateOf(stream, seconds), rateOf(other, secondsThen)];
    const [p99, p99Then] = [stream, other].map((each) => numberAt(objectAt(each, 'latency'), 'p99Ns'));
    return [
      [
        textAt(stream, 'name') ?? '-',
        ...[shown(rate, rateText), shown(rateThen, rateText), ratioText(rate, rateThen)],
        ...['lost', 'reordered'].flatMap((key) =>
          [stream, other].map((each) => shown(numberAt(each, key), whole)),
        ),
        ...[shown(p99 ?? null, us), shown(p99Then ?? null, us), ratioText(p99 ?? null, p99Then ?? null)],
      ],
    ];
  });
  if (rows.length === 0) return [];
  const head = ['stream', 'rate', THEN, 'ratio', 'lost', THEN, 'out of order', THEN, 'p99 us', THEN, 'ratio'];
  return ['<h2>Streams of both runs</h2>', tableHtml({ head, rows })];
}
