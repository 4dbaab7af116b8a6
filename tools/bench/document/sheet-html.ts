// SPDX-License-Identifier: BSD-3-Clause
// A sheet for a page.
import { tableHtml } from '../../charts/page.ts';
import { escapeXml } from '../../charts/svg.ts';
import { type Cell, cellText, headText, type Sheet, type Table } from '../sheet.ts';

export const sheetHtml = ({ tables, notes = [] }: Sheet): string =>
  [...tables.flatMap((table) => [boxHtml(table), notesHtml(table.notes)]), notesHtml(notes)]
    .filter(Boolean)
    .join('\n');

function boxHtml({ title, columns, rows }: Table): string {
  return tableHtml({
    ...(title !== undefined && { title }),
    head: columns.map(headText),
    rows: rows.map((cells) => columns.map((column, i) => cellText(column, cells[i] as Cell))),
    words: columns.flatMap(({ words }, i) => (words ? [i] : [])),
  });
}

export const notesHtml = (notes: readonly string[] = []): string =>
  notes.length === 0 ? '' : `<p class="under">${escapeXml(notes.join('\n'))}</p>`;
