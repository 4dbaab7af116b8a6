// SPDX-License-Identifier: BSD-3-Clause
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ReportFolder } from './report-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'report-folder-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the folder of a report', () => {
  it('regression: has what could be written, and each file that could not is named once', () => {
    const said: string[] = [];
    const report = new ReportFolder(folder, (line) => said.push(line));
    // A folder in its place cannot be replaced.
    mkdirSync(join(folder, 'report.json'));
    for (const text of ['1', '2']) {
      report.save(
        new Map([
          ['report.json', text],
          ['report.txt', text],
        ]),
      );
    }
    expect(said).toEqual([expect.stringContaining(`Failed to write ${join(folder, 'report.json')}: `)]);
    expect(['report.json', 'report.txt'].map((name) => report.isStale(name))).toEqual([true, false]);
    expect(readFileSync(join(folder, 'report.txt'), 'utf8')).toBe('2');
    expect(readdirSync(folder).sort()).toEqual(['report.json', 'report.txt']);
    rmSync(join(folder, 'report.json'), { recursive: true });
    report.save(new Map([['report.json', '3']]));
    expect([report.isStale('report.json'), said.length]).toEqual([false, 1]);
  });
});
