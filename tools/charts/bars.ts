// SPDX-License-Identifier: BSD-3-Clause
// Bar charts with error bars as SVG text.
import { type Around, type Frame, framed, frameOf } from './frame.ts';
import { scaleFor } from './scale.ts';
import { colour, digits, LABEL, LABEL_LINE, LINE, letters, round, text, VALUE, wrapped } from './svg.ts';

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Series {
  readonly name: string;
  /** One for each group; null where there is none. A spread of equal values has no error bar. */
  readonly values: readonly (Spread | null)[];
}

export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly groups: readonly string[];
  readonly series: readonly Series[];
  /** Below the groups' names. */
  readonly note?: string;
}

const LEAST_PLOT = 300;
const LEAST_PITCH = 26;
/** Between the bars of two groups. */
const GAP = 26;

interface Layout extends Frame {
  /** Of a group, and of a bar in it. */
  readonly groupWidth: number;
  readonly pitch: number;
  readonly labels: readonly (readonly string[])[];
}

export function chartSvg(chart: Chart): string {
  const { title, unit, groups, series } = chart;
  const around = { title, unit, names: series.map(({ name }) => name) };
  const layout = layoutOf(chart, around);
  const lines = Math.max(1, ...layout.labels.map(({ length }) => length));
  const bars = groups.flatMap((_, group) => groupOf(chart, group, layout));
  const below = LINE + LABEL_LINE * lines;
  const note = noteOf(chart, layout, below);
  return framed(layout, around, below + LABEL_LINE * note.length, [...bars, ...note]);
}

function layoutOf({ groups, series }: Chart, around: Around): Layout {
  const values = series.flatMap((each) => each.values.flatMap((value) => value ?? []));
  const { top, ticks } = scaleFor(Math.max(0, ...values.map(({ median, max }) => Math.max(median, max))));
  const longest = Math.max(0, ...values.map(({ median }) => figure(median).length));
  const pitch = Math.max(LEAST_PITCH, Math.ceil(digits(longest, VALUE)) + 4);
  const words = Math.max(0, ...groups.flatMap((name) => name.split(' ').map(({ length }) => length)));
  const least = Math.max(series.length * pitch, letters(words, LABEL) - GAP / 2) + GAP;
  const axis = { ticks, share: (value: number) => value / top };
  const frame = frameOf(around, axis, Math.max(LEAST_PLOT, groups.length * least));
  const groupWidth = (frame.right - frame.left) / Math.max(1, groups.length);
  const labels = groups.map((name) => wrapped(name, Math.floor((groupWidth - 8) / letters(1, LABEL))));
  return { ...frame, groupWidth, pitch, labels };
}

function noteOf({ note }: Chart, { left, right, bottom }: Layout, below: number): string[] {
  if (note === undefined) return [];
  const lines = wrapped(note, Math.floor((right - left) / letters(1, LABEL)));
  return lines.map((words, line) =>
    text(left, bottom + below + LABEL_LINE * line + 6, words, `font-size="${LABEL}"`),
  );
}

function groupOf({ series }: Chart, group: number, layout: Layout): string[] {
  const { left, bottom, groupWidth, pitch, labels } = layout;
  const middle = left + (group + 0.5) * groupWidth;
  const bars = series.flatMap(({ values }, index) => {
    const value = values[group];
    return value ? bar(value, middle + (index + 0.5 - series.length / 2) * pitch, index, layout) : [];
  });
  const lines = labels[group]?.map((words, line) =>
    text(middle, bottom + 16 + LABEL_LINE * line, words, `font-size="${LABEL}" text-anchor="middle"`),
  );
  return [...bars, ...(lines ?? [])];
}

function bar({ median, min, max }: Spread, middle: number, series: number, { pitch, y }: Layout): string[] {
  const [x, top, width] = [round(middle - pitch / 2 + 2), round(y(median)), pitch - 4];
  const height = round(y(0) - y(median));
  const body = `<rect class="series${series}" x="${x}" y="${top}" width="${width}" height="${height}" fill="${colour(series)}"/>`;
  const value = text(
    middle,
    y(Math.max(median, max)) - 5,
    figure(median),
    `font-size="${VALUE}" text-anchor="middle"`,
  );
  if (min === max) return [body, value];
  const [at, low, high] = [round(middle), round(y(min)), round(y(max))];
  const caps = [low, high].map((end) => `M${round(middle - 4)} ${end}h8`).join('');
  return [body, `<path class="range" d="M${at} ${low}V${high}${caps}" stroke="#222" fill="none"/>`, value];
}

/** Three digits; two of what is below one. */
function figure(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value.toPrecision(value >= 1 ? 3 : 2);
}
