// SPDX-License-Identifier: BSD-3-Clause
// The parts of a chart as SVG text: no font, script or picture from elsewhere, so that a page with charts
// needs no network, and a file of one is complete. Nobody measures text here: characters count as wide as the
// widest common font has them. Classes are for CHART_STYLE; a file of its own is light.

/** Of a page that has charts in it: their colours where the reader's screen is dark. */
export const CHART_STYLE = `@media (prefers-color-scheme:dark){
svg .ground{fill:#1b1d1f}svg text{fill:#ddd}svg .grid{stroke:#44484c}svg .range{stroke:#fff}
svg .series0{fill:#2f9e76}svg .series1{fill:#e07a5f}svg .line0{stroke:#2f9e76}svg .line1{stroke:#e07a5f}}`;

const COLOURS = [
  ...['#0b6e4f', '#c8553d', '#8fb8a8', '#e3aea2'],
  ...['#3b6fb6', '#8a5fb0', '#9a7b1c', '#7b868c'],
];
/** Pixels. */
export const LINE = 20;
export const LABEL_LINE = 13;
/** Sizes of fonts. */
export const [TITLE, LEGEND, TICK, LABEL, VALUE] = [14, 12, 11, 11, 10];
const FONT = 'font-family="system-ui, sans-serif"';

/** Widths of so many characters, at most, for a font of so many pixels; digits are narrower than letters. */
export const letters = (count: number, size: number): number => 0.68 * size * count;
export const digits = (count: number, size: number): number => 0.64 * size * count;

export const escapeXml = (text: string): string =>
  text.replace(/[<>&"]/g, (sign) => `&${{ '<': 'lt', '>': 'gt', '&': 'amp', '"': 'quot' }[sign]};`);

export const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${round(x)}" y="${round(y)}" fill="#222" ${more}>${escapeXml(words)}</text>`;

export const round = (value: number): number => Math.round(10 * value) / 10;

export const colour = (series: number): string => COLOURS[series % COLOURS.length] as string;

/** A whole picture. */
export function picture(
  [width, height]: readonly [number, number],
  label: string,
  parts: readonly string[],
): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(label)}" ${FONT}>
<rect class="ground" width="${width}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}

/** Words in lines of at most `columns` characters, unless one is longer. */
export function wrapped(words: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of words.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
