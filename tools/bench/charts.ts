// SPDX-License-Identifier: BSD-3-Clause
// Bar charts with error bars as SVG text: no font, script or picture from elsewhere, so that a page with them
// needs no network, and a file of one is complete.
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

const COLOURS = ['#0b6e4f', '#c8553d', '#8fb8a8', '#e3aea2'];
const [LEFT, RIGHT, TOP, BOTTOM] = [56, 12, 56, 64];
const PLOT_HEIGHT = 220;
const BAR = 22;
const GAP = 26;
const FONT = 'font-family="system-ui, sans-serif"';
/** Width of a title's characters, at most. */
const TITLE_CHARACTER = 8;
/** Characters of a group's name in a line below its bars. */
const LABEL_COLUMNS = 11;

export const escapeXml = (text: string): string =>
  text.replace(/[<>&"]/g, (sign) => `&${{ '<': 'lt', '>': 'gt', '&': 'amp', '"': 'quot' }[sign]};`);

/** The smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is not below `value`. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 2.5, 5, 10].find((each) => each * power >= value * (1 - 1e-9)) ?? 10;
  return step * power;
}

export function chartSvg(chart: Chart): string {
  const groupWidth = Math.max(72, chart.series.length * BAR) + GAP;
  const title = chart.title.length * TITLE_CHARACTER;
  const width = LEFT + RIGHT + Math.max(title, chart.groups.length * groupWidth);
  const height = TOP + PLOT_HEIGHT + BOTTOM;
  const values = chart.series.flatMap((each) => each.values.flatMap((value) => value?.max ?? []));
  const most = niceCeiling(Math.max(0, ...values));
  const y = (value: number) => TOP + PLOT_HEIGHT * (1 - value / most);
  const parts = [
    text(LEFT, 18, chart.title, 'font-size="14" font-weight="600"'),
    ...legend(chart.series),
    ...axis(most, y, width, chart.unit),
    ...chart.groups.flatMap((name, group) =>
      groupOf(chart, group, LEFT + GAP / 2 + group * groupWidth, name, y, groupWidth - GAP),
    ),
  ];
  const label = escapeXml(`${chart.title}, ${chart.unit}`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}" ${FONT}>
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}

const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${round(x)}" y="${round(y)}" fill="#222" ${more}>${escapeXml(words)}</text>`;

const round = (value: number): number => Math.round(10 * value) / 10;

function legend(series: readonly Series[]): string[] {
  let x = LEFT;
  return series.flatMap(({ name }, index) => {
    const at = x;
    x += 30 + 7 * name.length;
    return [
      `<rect x="${at}" y="28" width="12" height="12" fill="${colour(index)}"/>`,
      text(at + 17, 38, name, 'font-size="12"'),
    ];
  });
}

const colour = (series: number): string => COLOURS[series % COLOURS.length] as string;

function axis(most: number, y: (value: number) => number, width: number, unit: string): string[] {
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => share * most);
  return [
    ...ticks.flatMap((tick) => [
      `<line x1="${LEFT}" y1="${round(y(tick))}" x2="${width - RIGHT}" y2="${round(y(tick))}" stroke="#ddd"/>`,
      text(LEFT - 6, y(tick) + 4, `${Number(tick.toPrecision(3))}`, 'font-size="11" text-anchor="end"'),
    ]),
    text(LEFT - 6, TOP - 8, unit, 'font-size="11" text-anchor="end"'),
  ];
}

function groupOf(
  { series }: Chart,
  group: number,
  x: number,
  name: string,
  y: (value: number) => number,
  room: number,
): string[] {
  const first = x + (room - series.length * BAR) / 2;
  const bars = series.flatMap(({ values }, index) => {
    const value = values[group];
    return value ? bar(value, first + index * BAR, colour(index), y) : [];
  });
  const lines = wrapped(name).map((words, line) =>
    text(x + room / 2, TOP + PLOT_HEIGHT + 16 + 13 * line, words, 'font-size="11" text-anchor="middle"'),
  );
  return [...bars, ...lines];
}

function bar({ median, min, max }: Spread, x: number, fill: string, y: (value: number) => number): string[] {
  const [top, middle] = [y(median), round(x + (BAR - 3) / 2)];
  const height = TOP + PLOT_HEIGHT - top;
  const body = `<rect x="${round(x)}" y="${round(top)}" width="${BAR - 3}" height="${round(height)}" fill="${fill}"/>`;
  const value = text(
    middle,
    y(Math.max(median, max)) - 4,
    figure(median),
    'font-size="9.5" text-anchor="middle"',
  );
  if (min === max) return [body, value];
  const [low, high] = [round(y(min)), round(y(max))];
  const caps = [low, high].map((at) => `M${middle - 4} ${at}h8`).join('');
  return [body, `<path d="M${middle} ${low}V${high}${caps}" stroke="#222" fill="none"/>`, value];
}

const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** Words of a name in lines. */
function wrapped(name: string): string[] {
  const lines: string[] = [];
  for (const word of name.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < LABEL_COLUMNS)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
