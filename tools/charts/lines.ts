// SPDX-License-Identifier: BSD-3-Clause
// Line charts as SVG text: values over time, or over ranks.
import { largest, scaleFor } from './scale.ts';
import {
  colour,
  HEADROOM,
  LABEL,
  LABEL_LINE,
  LINE,
  leftOf,
  legend,
  legendWidth,
  letters,
  PLOT_HEIGHT,
  picture,
  RIGHT,
  round,
  text,
  titleLines,
  valueAxis,
  wrappedTitle,
} from './svg.ts';

export type Point = readonly [x: number, y: number];

export interface Curve {
  readonly name: string;
  /** In the order in which they are joined. */
  readonly points: readonly Point[];
  /** Points that are not joined. */
  readonly dots?: boolean;
  /** For a curve that may lie on another. */
  readonly dashed?: boolean;
  /** Its colour; by default the number of the curve. */
  readonly series?: number;
}

export interface LineChart {
  readonly title: string;
  readonly unit: string;
  /** What the axis below has: its unit, or the names of its places. */
  readonly across: string;
  /** Places of the axis below, from left to right; by default round steps from 0. */
  readonly places?: readonly { readonly at: number; readonly name: string }[];
  readonly curves: readonly Curve[];
  /** Equal steps are equal ratios; values must be above 0. */
  readonly logarithmic?: boolean;
  /** Vertical lines with a name each. */
  readonly marks?: readonly { readonly at: number; readonly name: string }[];
}

const PLOT_WIDTH = 420;
const MARK_LINE = 12;

/** Of both axes: places on the picture. */
interface Layout {
  readonly left: number;
  readonly width: number;
  readonly top: number;
  readonly bottom: number;
  readonly title: readonly string[];
  readonly ticks: readonly string[];
  x(value: number): number;
  y(value: number): number;
}

export function lineSvg(chart: LineChart): string {
  const layout = layoutOf(chart);
  const { left, width, top, bottom, title, ticks } = layout;
  return picture([width, bottom + 3 * LINE - 8], `${chart.title}, ${chart.unit}`, [
    ...titleLines(title, left),
    ...legend(
      chart.curves.map(({ name }) => name),
      [left, LINE * (title.length + 1)],
      chart.curves.map(({ series }, i) => series ?? i),
    ),
    ...valueAxis({ left, width, top, y: layout.y }, ticks, chart.unit),
    ...placesOf(chart, layout),
    ...(chart.marks ?? []).flatMap((mark, i) => markOf(mark, i, layout)),
    ...chart.curves.flatMap((curve, i) => curveOf(curve, curve.series ?? i, layout)),
  ]);
}

function layoutOf(chart: LineChart): Layout {
  const { title, unit, curves } = chart;
  const values = curves.flatMap(({ points }) => points.map(([, y]) => y));
  const scale = chart.logarithmic ? logarithmic(values) : linear(values);
  const left = leftOf(unit, scale.ticks);
  const plot = Math.max(PLOT_WIDTH, legendWidth(curves.map(({ name }) => name)));
  const lines = wrappedTitle(title, plot);
  const top = LINE * (lines.length + 1) + HEADROOM;
  const [first, last] = rangeOf(chart);
  return {
    ...{ left, width: left + plot + RIGHT, top, bottom: top + PLOT_HEIGHT, title: lines, ticks: scale.ticks },
    x: (value) => left + (plot * (value - first)) / (last - first),
    y: (value) => top + PLOT_HEIGHT * (1 - scale.share(value)),
  };
}

function linear(values: readonly number[]) {
  const { top, ticks } = scaleFor(largest(values, 0));
  return { ticks, share: (value: number) => value / top };
}

/** Whole powers of ten around all values. */
function logarithmic(values: readonly number[]) {
  const logs = values.filter((value) => value > 0).map(Math.log10);
  const [first = 0] = logs;
  const low = Math.floor(logs.reduce((least, value) => Math.min(least, value), first));
  const high = Math.max(low + 1, Math.ceil(largest(logs, low + 1)));
  const ticks = Array.from(
    { length: high - low + 1 },
    (_, i) => `${Number((10 ** (low + i)).toPrecision(1))}`,
  );
  return { ticks, share: (value: number) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low) };
}

/** The ends of the axis below. */
function rangeOf({ places, curves, marks = [] }: LineChart): readonly [number, number] {
  if (places !== undefined && places.length > 1)
    return [places[0]?.at as number, places.at(-1)?.at as number];
  const all = [...curves.flatMap(({ points }) => points.map(([x]) => x)), ...marks.map(({ at }) => at)];
  return [0, largest(all, 0) || 1];
}

/** The axis below: names that would lie on the one before are left out. */
function placesOf(chart: LineChart, { x, top, bottom, left, width }: Layout): string[] {
  const [, last] = rangeOf(chart);
  const places =
    chart.places ??
    scaleFor(last)
      .ticks.map((tick) => ({ at: Number(tick), name: tick }))
      .filter(({ at }) => at <= last * (1 + 1e-9));
  let end = Number.NEGATIVE_INFINITY;
  const names = places.flatMap(({ at, name }) => {
    const half = letters(name.length, LABEL) / 2;
    const middle = Math.min(x(at), width - half);
    const line = `<line class="grid" x1="${round(x(at))}" y1="${top}" x2="${round(x(at))}" y2="${bottom}" stroke="#ddd"/>`;
    if (middle - half < end + 4) return [line];
    end = middle + half;
    return [line, text(middle, bottom + 16, name, `font-size="${LABEL}" text-anchor="middle"`)];
  });
  const below = text(
    (left + width - RIGHT) / 2,
    bottom + 16 + LABEL_LINE + 3,
    chart.across,
    `font-size="${LABEL}" text-anchor="middle"`,
  );
  return [...names, below];
}

/** The names of marks that follow one another stand on different lines; they end where the plot ends. */
function markOf({ at, name }: { at: number; name: string }, i: number, layout: Layout): string[] {
  const { x, top, bottom, width } = layout;
  const place = round(x(at));
  const toTheLeft = x(at) + letters(name.length, LABEL) + 4 > width - RIGHT;
  const anchor = toTheLeft ? 'text-anchor="end"' : '';
  const y = top + 12 + MARK_LINE * (i % 4);
  return [
    `<line class="range" x1="${place}" y1="${top}" x2="${place}" y2="${bottom}" stroke="#222" stroke-dasharray="3 3"/>`,
    text(x(at) + (toTheLeft ? -4 : 4), y, name, `font-size="${LABEL}" ${anchor}`),
  ];
}

function curveOf(
  { points, dots = false, dashed = false }: Curve,
  series: number,
  { x, y }: Layout,
): string[] {
  const at = points.map(([px, py]) => [round(x(px)), round(y(py))] as const);
  const marks = () =>
    at.map(
      ([cx, cy]) => `<circle class="series${series}" cx="${cx}" cy="${cy}" r="3" fill="${colour(series)}"/>`,
    );
  if (dots || at.length === 1) return marks();
  if (at.length === 0) return [];
  const path = at.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${px} ${py}`).join('');
  return [
    `<path class="line${series}" d="${path}" stroke="${colour(series)}" stroke-width="2"${dashed ? ' stroke-dasharray="5 5"' : ''} fill="none"/>`,
  ];
}
