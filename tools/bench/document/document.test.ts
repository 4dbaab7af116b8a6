// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeWhole } from '../../run/whole-file.ts';
import { named, type Sheet, tableOf } from '../sheet.ts';
import { sheetText } from '../sheet-text.ts';
import { ROWS } from '../suites/rows.test-help.ts';
import { againstRun, sideBySide } from './comparison.ts';
import { type Page, pageHtml, pageText } from './page.ts';
import { type RunStep, readRun, runJson } from './run-file.ts';
import { MACHINE, row, runOf, step } from './runs.test-help.ts';
import { remaining } from './time-left.ts';

const folder = mkdtempSync(join(tmpdir(), 'document-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a run', () => {
  it('is the same when it is read again, and is written whole', () => {
    const run = runOf(step('limit', [], [row('rx-64', 0.9)]));
    const file = join(folder, 'report.json');
    writeWhole(file, runJson(run));
    expect(readRun(file)).toEqual(run);
    expect(readdirSync(folder)).toEqual(['report.json']);
  });

  it.each(Object.entries(ROWS))('is read with what %s measures', (suite, rows) => {
    const run = runOf({ ...step(suite, [], []), wanted: ['a'] });
    run.steps[0]?.cases.push({ name: 'a', seconds: 1, stolen: 0, rows });
    const file = join(folder, 'rows.json');
    writeFileSync(file, runJson(run));
    expect(readRun(file)).toEqual(run);
  });

  it('is refused by the name of its file when that is missing, cut or something else', () => {
    const cut = join(folder, 'cut.json');
    const whole = runOf(step('limit', [], [row('rx-64', 0.9)]));
    const measured = step('limit', [], [row('rx-64', 0.9)]);
    const [only] = measured.cases as [RunStep['cases'][0]];
    const stepWith = (part: object) => ({ steps: [{ ...measured, ...part }] });
    const rowWith = (part: object) =>
      stepWith({ cases: [{ ...only, rows: [{ ...row('rx-64', 0.9), ...part }] }] });
    const broken = [
      ...[{ machine: null }, { machine: { ...MACHINE, cpus: '2' } }, { machine: { ...MACHINE, dpdk: 22 } }],
      ...[{ surroundings: undefined }, { surroundings: { ...whole.surroundings, mhz: [null] } }],
      ...[{ quick: 1 }, { version: 1 }, { started: null }],
      ...[
        { steps: [null] },
        { steps: [{}] },
        { steps: [{ suite: 'limit' }] },
        { steps: [measured, measured] },
      ],
      ...[stepWith({ cases: [only, only] }), stepWith({ wanted: [] }), stepWith({ failure: 1 })],
      ...[stepWith({ cases: [{ ...only, rows: null }] }), rowWith({ rounds: 'x' }), rowWith({ case: 1 })],
    ].map((part) => JSON.stringify({ ...whole, ...part }));
    for (const text of ['', '{"format":1,', 'null', '{"format":2,"steps":[]}', ...broken]) {
      writeFileSync(cut, text);
      expect(() => readRun(cut), text).toThrow(`${cut} is not the report.json of a run`);
    }
    expect(() => readRun(join(folder, 'none.json'))).toThrow(/^Failed to read .*none\.json/);
  });

  const measured = (more: object) => step('loopback', [], [row('rx-64', 1.5, more)]);
  const spread = (median: unknown) => ({ ratio: { median, min: 1, max: 2 } });
  const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

  it.each([
    // regression: 1e308 was shown, and the change from it as Infinity
    [measured({ case: 'rx-64', ours_mpps: 1e308 }), 'ours_mpps of loopback rx-64 is 1e+308'],
    [measured(spread(1e308)), 'ratio.median of loopback rx-64 is 1e+308'],
    [measured(spread(1e-308)), 'ratio.median of loopback rx-64 is 1e-308'],
    [measured(spread(0)), 'ratio.median of loopback rx-64 is 0'],
    [measured(spread('1')), 'ratio.median of loopback rx-64 is "1"'],
    [measured({ ratio: null }), 'ratio.median of loopback rx-64 is missing'],
    [
      measured({ rounds: [{ ratio: 1, mpps: [10, -1e16] }] }),
      'rounds.0.mpps.1 of loopback rx-64 is -10000000000000000',
    ],
    [measured({ rounds: [{ ratio: 1, mpps: [10] }] }), 'rounds.0.mpps of loopback rx-64 is [10]'],
    [measured({ ours_mpps: 'x' }), 'ours_mpps of loopback rx-64 is "x"'],
    [measured({ ours_mpps: -5 }), 'ours_mpps of loopback rx-64 is -5'],
    [measured({ projected_mpps: { ours: 1, ovs: '2' } }), 'projected_mpps.ovs of loopback rx-64 is "2"'],
    [measured({ deep: deep(1000) }), 'deep.0 of loopback rx-64 is a list of lists without end'],
  ])('is refused by the names of its file and of a figure that no run measures: %#', (wrong, said) => {
    const file = join(folder, 'range.json');
    writeFileSync(file, runJson(runOf(wrong)));
    expect(() => readRun(file)).toThrow(
      `${file}: ${said}, which no run measures: use the file as a run wrote it`,
    );
  });

  it('is refused for a number that is too large for its file', () => {
    const file = join(folder, 'range.json');
    writeFileSync(file, runJson(runOf(measured(spread(2)))).replace('"seconds": 10', '"seconds": 1e999'));
    expect(() => readRun(file)).toThrow(`${file}: seconds of loopback rx-64 is Infinity, which`);
  });

  it('does not wait for what cannot be measured', () => {
    const missing = { ...step('ovs', [], [], 4), failure: 'not installed' };
    expect(remaining(runOf(missing, step('limit', [], [], 10)), { guess: () => 20 })).toBe(
      'case 5 of 14, about 3 min left',
    );
  });

  it('regression: takes longer the longer a case takes whose rounds are repeated', () => {
    const [slow, next] = [step('limit', [], [row('rx-64', 0.9)], 3), step('ovs', [], [], 1)];
    const after = (seconds: number) =>
      remaining(runOf(slow, next), { guess: () => 5, current: { step: slow, seconds } });
    // 10 s each, and 10 s for the other step, as the first case took twice its guess.
    expect([0, 6, 10].map(after)).toEqual([
      'case 2 of 4, about 30 s left',
      'case 2 of 4, about 24 s left',
      'case 2 of 4, about 20 s left',
    ]);
    const [late, later] = [40, 50].map((seconds) => Number(/about (\d+) s/.exec(after(seconds))?.[1]));
    expect(late).toBeGreaterThan(30);
    expect(later).toBeGreaterThan(Number(late));
  });
});

describe('rows beside each other', () => {
  const run = runOf(
    step('loopback', ['--copying'], [row('rx-64', 1.5), row('rx-512', 2)]),
    step('loopback', ['--packed', '--copying'], [row('rx-64', 9)]),
    step('ovs', [], [row('to-pmd-64', 3.5, { flows: 'fixed' })]),
    step(
      'memif',
      [],
      [
        row('rx-64', 1.1, { mode: 'copying', rfc: '2.1' }),
        row('rx-64', 1.3, { mode: 'in-place', rfc: '2.1' }),
      ],
    ),
  );

  it('are of one size and way, whatever their suite', () => {
    const table = sheetText(sideBySide(run) as Sheet);
    expect(table).toMatch(/│ compared with +│ +ratio │ +vhost-pci Mpps │ +other Mpps │/);
    expect(table).toMatch(/net_vhost +│ +1\.50 \([^│]*│ +15\.00 \([^│]*│ +10\.00 \(10\.00 to 10\.00\) │/);
    expect(table).toMatch(/OVS\+DPDK +│ +3\.50 \(3\.40 to 3\.60\) │ +35\.00/);
    expect(table).toMatch(/net_memif.*1\.10 \(/);
    expect(table).not.toMatch(/90\.00|1\.30 \(/);
    expect(sideBySide(runOf())).toBeUndefined();
  });

  it('bear a star where they were disturbed, and no range after a single round', () => {
    const rounds = [{ ratio: 1.5, mpps: [15, 10] }];
    const once = sideBySide(
      runOf(step('loopback', ['--copying'], [row('rx-64', 1.5, { rounds, disturbed: true })])),
    ) as Sheet;
    expect(sheetText(once)).toMatch(/ 1\.50\* │ +15\.00 │ +10\.00 │/);
    expect(sheetText(once)).toContain('* disturbed: another process');
    expect(sheetText(sideBySide(run) as Sheet)).not.toContain('*');
  });

  it('of two runs show the change, and whether it is more than the spread', () => {
    const then = runOf(
      // Regression: -0.2 % was "-0 %".
      step('loopback', ['--copying'], [row('rx-64', 1), row('rx-512', 2.004)]),
      step('ovs', ['--no-tune'], [row('to-pmd-64', 3.5, { flows: 'fixed' })]),
    );
    const table = sheetText(againstRun(run, then) as Sheet);
    expect(table).toMatch(/rx-64 .*\+50 % │/);
    expect(table).toMatch(/rx-512 .*│ 0 % \(ranges overlap\)/);
    expect(table).not.toContain('to-pmd');
    expect(againstRun(run, runOf())).toBeUndefined();
  });
});

describe('the page', () => {
  const failed: RunStep = { ...step('ovs', [], [], 1), failure: 'apt-get install <it>' };
  const whole = step('limit', ['--rounds', '1'], [row('rx-64', 0.9)]);
  const chart = { title: 'T', unit: 'Mpps', groups: ['g'], series: [] };
  const sheet = { tables: [tableOf(['rx-64'], [named('case', String)])] };
  const page: Page = {
    run: runOf(whole, failed),
    sections: [
      { step: whole, asked: 'the <limit>', sheet, settings: 'one round', charts: [chart] },
      { step: failed, asked: '', sheet: undefined, settings: 'none', charts: [] },
      { step: step('memif', [], [], 2), asked: '', sheet: undefined, settings: '', charts: [] },
    ],
    sideBySide: undefined,
    compared: { name: 'old.json', sheet: undefined },
  };

  it('has machine, commands, tables, charts, raw data and what is missing', () => {
    const html = pageHtml(page).replace(/<\/?span>/g, '');
    for (const words of [
      ...[
        'a &lt;CPU&gt;',
        '<p>The &lt;limit&gt;.</p>',
        '$ vhost-pci-bench limit --rounds 1',
        '<td class="words">rx-64</td>',
        '<svg ',
        '-march=corei7',
      ],
      ...['Not measured: apt-get install &lt;it&gt;', 'Interrupted: 0 of 2 cases', 'Against old.json'],
    ])
      expect(html).toContain(words);
    const raw = /base64,([^"]+)"/.exec(html)?.[1] ?? '';
    expect(JSON.parse(Buffer.from(raw, 'base64').toString())).toEqual(JSON.parse(runJson(page.run)));
  });

  it('asks nothing of the network', () => {
    const html = pageHtml(page).replaceAll('http://www.w3.org/2000/svg', '');
    expect(html).not.toMatch(/https?:|<script|<link|<img|@import|url\(/);
    expect(html).toContain("default-src 'none'");
  });

  it('has wide tables scroll in their own box, and colours for a dark screen, charts included', () => {
    const html = pageHtml(page);
    expect(html).toMatch(/\.wide\{overflow-x:auto/);
    expect(html).toMatch(/prefers-color-scheme:dark\)\{\s*svg \.ground/);
  });

  it('is the same as text', () => {
    const text = pageText(page);
    for (const words of [
      'a <CPU>',
      'The <limit>.',
      '$ vhost-pci-bench limit --rounds 1',
      '│ rx-64 │',
      'Not measured: apt-get',
    ])
      expect(text).toContain(words);
  });
});
