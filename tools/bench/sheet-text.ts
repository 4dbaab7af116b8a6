// SPDX-License-Identifier: BSD-3-Clause
// A sheet for a terminal: its tables as boxes.
import Box from 'cli-table3';
import { type Cell, cellText, headText, type Sheet, type Table } from './sheet.ts';

/** Lines without a line feed at the end. */
export const sheetText = ({ tables, notes = [] }: Sheet): string =>
  [
    ...tables.flatMap((table) => [
      ...(table.title === undefined ? [] : [table.title]),
      boxText(table),
      ...(table.notes ?? []),
    ]),
    ...notes,
  ].join('\n');

function boxText({ columns, rows }: Table): string {
  const box = new Box({
    head: columns.map(headText),
    colAligns: columns.map(({ words }) => (words ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
  box.push(...rows.map((cells) => columns.map((column, i) => cellText(column, cells[i] as Cell))));
  return box.toString();
}
