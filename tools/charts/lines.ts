// SPDX-License-Identifier: BSD-3-Clause
// Line charts as SVG text: values over time, or over ranks.
import { type Axis, type Frame, framed, frameOf } from './frame.ts';
import { largest, scaleFor } from './scale.ts';
import { colour, LABEL, LABEL_LINE, LINE, letters, round, text } from './svg.ts';

export type Point = readonly [x: number, y: number];

export interface Curve {
  readonly name: string;
  /** In the order in which they are joined. */
  readonly points: readonly Point[];
  /** Points that are not joined. */
  readonly dots?: boolean;
  /** For a curve that may lie on another: it is drawn above those that are not. */
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
/** The names of places, and of the axis. */
const BELOW = 3 * LINE - 8;

interface Layout extends Frame {
  x(value: number): number;
}

export function lineSvg(chart: LineChart): string {
  const { title, unit, curves, logarithmic, marks = [] } = chart;
  const values = curves.flatMap(({ points }) => points.map(([, y]) => y));
  const series = curves.map((curve, i) => curve.series ?? i);
  const dashed = curves.map((curve) => curve.dashed ?? false);
  const around = { title, unit, series, dashed, names: curves.map(({ name }) => name) };
  const frame = frameOf(around, logarithmic ? powersOfTen(values) : linear(values), PLOT_WIDTH);
  const { left, right } = frame;
  const [first, last] = rangeOf(chart);
  const layout = {
    ...frame,
    x: (value: number) => left + ((right - left) * (value - first)) / (last - first),
  };
  return framed(layout, around, BELOW, [
    ...placesOf(chart, layout),
    ...marks.flatMap((mark, i) => markOf(mark, i, layout)),
    ...[false, true].flatMap((dashed) =>
      curves.flatMap((curve, i) =>
        (curve.dashed ?? false) === dashed ? curveOf(curve, series[i] as number, layout) : [],
      ),
    ),
  ]);
}

function linear(values: readonly number[]): Axis {
  const { top, ticks } = scaleFor(largest(values, 0));
  return { ticks, share: (value) => value / top };
}

/** Whole powers of ten around all values. */
function powersOfTen(values: readonly number[]): Axis {
  const logs = values.filter((value) => value > 0).map(Math.log10);
  const [first = 0] = logs;
  const low = Math.floor(logs.reduce((least, value) => Math.min(least, value), first));
  const high = Math.max(low + 1, Math.ceil(largest(logs, low + 1)));
  const ticks = Array.from(
    { length: high - low + 1 },
    (_, i) => `${Number((10 ** (low + i)).toPrecision(1))}`,
  );
  return { ticks, share: (value) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low) };
}

/** The ends of the axis below. */
function rangeOf({ places, curves, marks = [] }: LineChart): readonly [number, number] {
  if (places !== undefined && places.length > 1)
    return [places[0]?.at as number, places.at(-1)?.at as number];
  const all = [...curves.flatMap(({ points }) => points.map(([x]) => x)), ...marks.map(({ at }) => at)];
  return [0, largest(all, 0) || 1];
}

/** The axis below: names that would lie on the one before are left out. */
function placesOf(chart: LineChart, { x, top, bottom, left, right, width }: Layout): string[] {
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
    (left + right) / 2,
    bottom + 16 + LABEL_LINE + 3,
    chart.across,
    `font-size="${LABEL}" text-anchor="middle"`,
  );
  return [...names, below];
}

/** The names of marks that follow one another stand on different lines; they end where the plot ends. */
function markOf({ at, name }: { at: number; name: string }, i: number, layout: Layout): string[] {
  const { x, top, bottom, right } = layout;
  const place = round(x(at));
  const toTheLeft = x(at) + letters(name.length, LABEL) + 4 > right;
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
