// SPDX-License-Identifier: BSD-3-Clause
// What all charts have around their plot: the title, the keys of their series, and the axis of their values.
import { colour, LEGEND, LINE, letters, picture, round, TICK, TITLE, text, wrapped } from './svg.ts';

/** Pixels. */
const PLOT_HEIGHT = 220;
const [LEAST_LEFT, RIGHT] = [56, 16];
/** From legend to plot: room for the value above the highest bar, and for the unit above the highest tick. */
const HEADROOM = 34;

/** What stands around the plot. */
export interface Around {
  readonly title: string;
  /** Of the values. */
  readonly unit: string;
  readonly names: readonly string[];
  /** Numbers of the series' colours; by default those of their places. */
  readonly series?: readonly number[];
  /** Of each series: whether its line is dashed. */
  readonly dashed?: readonly boolean[];
}

/** The axis of the values. */
export interface Axis {
  readonly ticks: readonly string[];
  /** How far up the plot a value is: 0 to 1. */
  share(value: number): number;
}

/** Where everything is, in pixels. */
export interface Frame {
  /** Of the plot. */
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  /** Of the picture. */
  readonly width: number;
  readonly title: readonly string[];
  readonly ticks: readonly string[];
  y(value: number): number;
}

/** The plot is `least` pixels wide, or as its keys need. */
export function frameOf({ title, unit, names }: Around, { ticks, share }: Axis, least: number): Frame {
  const left = Math.max(
    LEAST_LEFT,
    ...[unit, ...ticks].map((words) => Math.ceil(letters(words.length, TICK)) + 12),
  );
  const plot = Math.ceil(
    Math.max(
      least,
      names.reduce((sum, name) => sum + keyWidth(name), 0),
    ),
  );
  const lines = wrapped(title, Math.floor(plot / letters(1, TITLE)));
  const top = LINE * (lines.length + 1) + HEADROOM;
  const right = left + plot;
  return {
    ...{ left, right, top, bottom: top + PLOT_HEIGHT, width: right + RIGHT, title: lines, ticks },
    y: (value) => top + PLOT_HEIGHT * (1 - share(value)),
  };
}

/** A whole picture with `parts` in its frame; `below`: the height of what stands below the plot. */
export const framed = (frame: Frame, around: Around, below: number, parts: readonly string[]): string =>
  picture([frame.width, frame.bottom + below], `${around.title}, ${around.unit}`, [
    ...frame.title.map((words, line) =>
      text(frame.left, LINE * (line + 1), words, `font-size="${TITLE}" font-weight="600"`),
    ),
    ...legend(around, [frame.left, LINE * (frame.title.length + 1)]),
    ...valueAxis(frame, around.unit),
    ...parts,
  ]);

const keyWidth = (name: string): number => 30 + Math.ceil(letters(name.length, LEGEND));

function legend(
  { names, series = names.map((_, index) => index), dashed = [] }: Around,
  [left, y]: readonly [number, number],
): string[] {
  let x = left;
  return names.flatMap((name, index) => {
    const at = x;
    const number = series[index] as number;
    x += keyWidth(name);
    return [
      dashed[index]
        ? `<line class="line${number}" x1="${at}" y1="${y - 4}" x2="${at + 13}" y2="${y - 4}" stroke="${colour(number)}" stroke-width="3" stroke-dasharray="5 3"/>`
        : `<rect class="series${number}" x="${at}" y="${y - 10}" width="12" height="12" fill="${colour(number)}"/>`,
      text(at + 17, y, name, `font-size="${LEGEND}"`),
    ];
  });
}

/** The lines of the ticks, and the unit above them. */
function valueAxis({ left, right, top, ticks, y }: Frame, unit: string): string[] {
  const atEnd = `font-size="${TICK}" text-anchor="end"`;
  return [
    ...ticks.flatMap((tick) => {
      const at = round(y(Number(tick)));
      return [
        `<line class="grid" x1="${left}" y1="${at}" x2="${right}" y2="${at}" stroke="#ddd"/>`,
        text(left - 6, at + 4, tick, atEnd),
      ];
    }),
    text(left - 6, top - 16, unit, atEnd),
  ];
}
