// SPDX-License-Identifier: BSD-3-Clause
// The same data as text and as HTML.
import { expect, it } from 'vitest';
import { sheetHtml } from './document/sheet-html.ts';
import { footnote, mpps, named, ratioColumns, type Sheet, tableOf } from './sheet.ts';
import { sheetText } from './sheet-text.ts';

const row = (name: string, against: string, rate: number | undefined, disturbed = false) => ({
  ...{ name, against, rate, disturbed, ratio: { median: 0.904, min: 0.8, max: 1 } },
  rounds: [{ ratio: 0.904, mpps: [0.9, 1] as readonly [number, number] }],
});
const sheetOf = (...rows: ReturnType<typeof row>[]): Sheet => ({
  tables: [
    tableOf(
      rows,
      [
        named('case', ({ name }) => name),
        { name: 'against', of: ({ against }) => against },
        mpps('<ours>', ({ rate }) => rate),
        ...ratioColumns<(typeof rows)[number]>(),
      ],
      { title: 'Rates & ratios', notes: ['a & b'] },
    ),
  ],
  notes: ['one', '  two'],
});
const SHEET = sheetOf(row('rx-64', 'OVS', 9.1), row('relay', 'net_vhost', undefined, true));

it('is boxes in a terminal: words on the left, figures on the right, titles above and notes below', () => {
  expect(sheetText(SHEET).split('\n')).toEqual([
    'Rates & ratios',
    '┌───────┬───────────┬─────────────┬───────────────┬──────┬──────┐',
    '│ case  │   against │ <ours> Mpps │ ratio: median │  min │  max │',
    '├───────┼───────────┼─────────────┼───────────────┼──────┼──────┤',
    '│ rx-64 │       OVS │        9.10 │          0.90 │ 0.80 │ 1.00 │',
    '│ relay │ net_vhost │           - │         0.90* │ 0.80 │ 1.00 │',
    '└───────┴───────────┴─────────────┴───────────────┴──────┴──────┘',
    ...['a & b', 'one', '  two'],
  ]);
});

it('is tables on a page, with the same cells', () => {
  expect(sheetHtml(SHEET)).toBe(`<div class="wide"><table><caption>Rates &amp; ratios</caption>
<thead><tr><th class="words">case</th><th>against</th><th>&lt;ours&gt; Mpps</th><th>ratio: median</th><th>min</th><th>max</th></tr></thead>
<tbody><tr><td class="words">rx-64</td><td>OVS</td><td>9.10</td><td>0.90</td><td>0.80</td><td>1.00</td></tr>
<tr><td class="words">relay</td><td>net_vhost</td><td>-</td><td>0.90*</td><td>0.80</td><td>1.00</td></tr></tbody>
</table></div>
<p class="under">a &amp; b</p>
<p class="under">one
  two</p>`);
});

it('has a footnote if a row was disturbed', () => {
  expect(footnote(SHEET)).toMatch(/^\* disturbed: another process/);
  expect(footnote(sheetOf(row('rx-64', 'OVS', 9.1)))).toBeUndefined();
});

it('regression: shows no ratio of a disturbed row in which a side nearly stopped in a slice', () => {
  const ratio = { median: 220.44, min: 220.44, max: 220.44 };
  const rounds = [{ ratio: 220.44, mpps: [0.79, 0.89] as readonly [number, number] }];
  const sheet = sheetOf({ ...row('chain', 'OVS', 0.79, true), ratio, rounds });
  expect(sheetText(sheet)).toMatch(/│ chain │ +OVS │ +0\.79 │ +-\* │ +- │ +- │/);
  expect(footnote(sheet)).toMatch(/; no ratio \(-\*\) where the slices contradict the rates$/);
  expect(sheetText(sheetOf({ ...row('chain', 'OVS', 0.79), ratio, rounds }))).toContain('│        220.44 │');
});

it('shows what is no number as something that was not measured', () => {
  expect(sheetText(sheetOf(row('rx-64', 'OVS', Number.NaN)))).toContain('│           - │');
});
