// SPDX-License-Identifier: BSD-3-Clause
// Bar charts with error bars as SVG text: no font, script or picture from elsewhere, so that a page with them
// needs no network, and a file of one is complete. Nobody measures text here: characters count as wide as the
// widest common font has them. Classes are for CHART_STYLE; a file of its own is light.
import { scaleFor } from './chart-scale.ts';
import type { Spread } from './instruments/statistics.ts';

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
}

/** Of a page that has charts in it: their colours where the reader's screen is dark. */
export const CHART_STYLE = `@media (prefers-color-scheme:dark){
svg .ground{fill:#1b1d1f}svg text{fill:#ddd}svg .grid{stroke:#44484c}svg .range{stroke:#fff}
svg .series0{fill:#2f9e76}svg .series1{fill:#e07a5f}}`;

const COLOURS = ['#0b6e4f', '#c8553d', '#8fb8a8', '#e3aea2'];
const PLOT_HEIGHT = 220;
const LEAST_PLOT = 300;
const [LEAST_LEFT, RIGHT] = [56, 16];
const LEAST_PITCH = 26;
/** Between the bars of two groups. */
const GAP = 26;
const LINE = 20;
/** From legend to plot: room for the value above the highest bar, and for the unit above the highest tick. */
const HEADROOM = 34;
const FONT = 'font-family="system-ui, sans-serif"';
/** Widths of a character, at most, for a font of so many pixels; digits are narrower than letters. */
const letters = (count: number, size: number): number => 0.68 * size * count;
const digits = (count: number, size: number): number => 0.64 * size * count;
const [TITLE, LEGEND, TICK, LABEL, VALUE] = [14, 12, 11, 11, 10];

export const escapeXml = (text: string): string =>
  text.replace(/[<>&"]/g, (sign) => `&${{ '<': 'lt', '>': 'gt', '&': 'amp', '"': 'quot' }[sign]};`);

/** Where everything is. */
interface Layout {
  readonly left: number;
  readonly width: number;
  readonly top: number;
  readonly bottom: number;
  /** Of a group, and of a bar in it. */
  readonly groupWidth: number;
  readonly pitch: number;
  readonly title: readonly string[];
  readonly labels: readonly (readonly string[])[];
  readonly ticks: readonly string[];
  y(value: number): number;
}

export function chartSvg(chart: Chart): string {
  const layout = layoutOf(chart);
  const { left, width, bottom, title, labels } = layout;
  const height = bottom + LINE + LABEL_LINE * Math.max(1, ...labels.map((lines) => lines.length));
  const parts = [
    ...title.map((words, line) =>
      text(left, LINE * (line + 1), words, `font-size="${TITLE}" font-weight="600"`),
    ),
    ...legend(chart.series, left, LINE * (title.length + 1)),
    ...axis(layout, chart.unit),
    ...chart.groups.flatMap((_, group) => groupOf(chart, group, layout)),
  ];
  const label = escapeXml(`${chart.title}, ${chart.unit}`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}" ${FONT}>
<rect class="ground" width="${width}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}

const LABEL_LINE = 13;

function layoutOf({ title, unit, groups, series }: Chart): Layout {
  const values = series.flatMap((each) => each.values.flatMap((value) => value ?? []));
  const scale = scaleFor(Math.max(0, ...values.map(({ median, max }) => Math.max(median, max))));
  const left = Math.max(
    LEAST_LEFT,
    ...[unit, ...scale.ticks].map((words) => Math.ceil(letters(words.length, TICK)) + 12),
  );
  const longest = Math.max(0, ...values.map(({ median }) => figure(median).length));
  const pitch = Math.max(LEAST_PITCH, Math.ceil(digits(longest, VALUE)) + 4);
  const words = Math.max(0, ...groups.flatMap((name) => name.split(' ').map(({ length }) => length)));
  const least = Math.max(series.length * pitch, letters(words, LABEL) - GAP / 2) + GAP;
  const keys = series.reduce((sum, { name }) => sum + keyWidth(name), 0);
  const plot = Math.ceil(Math.max(LEAST_PLOT, keys, groups.length * least));
  const titleLines = wrapped(title, Math.floor(plot / letters(1, TITLE)));
  const top = LINE * (titleLines.length + 1) + HEADROOM;
  const groupWidth = plot / Math.max(1, groups.length);
  return {
    ...{ left, width: left + plot + RIGHT, top, bottom: top + PLOT_HEIGHT, groupWidth, pitch },
    ...{ title: titleLines, ticks: scale.ticks },
    labels: groups.map((name) => wrapped(name, Math.floor((groupWidth - 8) / letters(1, LABEL)))),
    y: (value) => top + PLOT_HEIGHT * (1 - value / scale.top),
  };
}

const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${round(x)}" y="${round(y)}" fill="#222" ${more}>${escapeXml(words)}</text>`;

const round = (value: number): number => Math.round(10 * value) / 10;

const keyWidth = (name: string): number => 30 + Math.ceil(letters(name.length, LEGEND));

function legend(series: readonly Series[], left: number, y: number): string[] {
  let x = left;
  return series.flatMap(({ name }, index) => {
    const at = x;
    x += keyWidth(name);
    return [
      `<rect class="series${index}" x="${at}" y="${y - 10}" width="12" height="12" fill="${colour(index)}"/>`,
      text(at + 17, y, name, `font-size="${LEGEND}"`),
    ];
  });
}

const colour = (series: number): string => COLOURS[series % COLOURS.length] as string;

function axis({ left, width, top, ticks, y }: Layout, unit: string): string[] {
  const atEnd = `font-size="${TICK}" text-anchor="end"`;
  return [
    ...ticks.flatMap((tick) => {
      const at = round(y(Number(tick)));
      return [
        `<line class="grid" x1="${left}" y1="${at}" x2="${width - RIGHT}" y2="${at}" stroke="#ddd"/>`,
        text(left - 6, at + 4, tick, atEnd),
      ];
    }),
    text(left - 6, top - 16, unit, atEnd),
  ];
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

/** Words in lines of at most `columns` characters, unless one is longer. */
function wrapped(words: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of words.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
