// SPDX-License-Identifier: BSD-3-Clause
// What a suite prints for a terminal, as HTML: its boxes become tables, other lines stay text.
import { tableHtml } from '../../charts/page.ts';
import { escapeXml } from '../../charts/svg.ts';

/** `text` is what render() of report.ts gave, and lines before, between and after its boxes. */
export function boxesHtml(text: string): string {
  const parts: string[] = [];
  let rows: string[][] = [];
  let words: string[] = [];
  const endWords = () => {
    if (words.length > 0) parts.push(`<p class="under">${escapeXml(words.join('\n'))}</p>`);
    words = [];
  };
  for (const line of text.split('\n')) {
    if (line.startsWith('┌')) {
      endWords();
      rows = [];
    } else if (line.startsWith('│')) rows.push(line.split('│').slice(1, -1));
    else if (line.startsWith('└')) parts.push(boxHtml(rows));
    else if (!line.startsWith('├')) words.push(line);
  }
  endWords();
  return parts.join('\n');
}

function boxHtml(lines: readonly (readonly string[])[]): string {
  const [head = [], ...rows] = lines.map((cells) => cells.map((cell) => cell.trim()));
  const words = head.map((_, i) => i).filter((i) => areWords(lines.map((cells) => cells[i] ?? '')));
  return tableHtml({ head, rows, words });
}

/** Cells have a blank on either side; more on the right, and the column holds words. */
const areWords = (cells: readonly string[]): boolean =>
  cells.some((cell) => cell.endsWith('  ') && cell.trim() !== '');
