// SPDX-License-Identifier: BSD-3-Clause
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeMachine } from '../../run/machine.ts';
import { describeSurroundings } from '../instruments/surroundings.ts';
import { holdFolder, setAside } from './one-run.ts';
import { newRun, runJson } from './run-file.ts';

const root = mkdtempSync(join(tmpdir(), 'one-run-'));
afterAll(() => rmSync(root, { recursive: true }));

function folderOf(name: string): string {
  const folder = join(root, name);
  mkdirSync(folder);
  return folder;
}

describe('a run that is new in its folder', () => {
  it('regression: keeps the figures of every earlier one', () => {
    const folder = folderOf('figures');
    expect(setAside(folder)).toBeUndefined();
    for (const [text, name] of [
      ['{"format":1,"steps":[{"cases":[{"name":"a"}]}]}', 'report-before.json'],
      ['cut', 'report-before-2.json'],
    ] as const) {
      writeFileSync(join(folder, 'report.json'), text);
      expect(setAside(folder)).toBe(join(folder, name));
      expect(readFileSync(join(folder, name), 'utf8')).toBe(text);
    }
    expect(readdirSync(folder).sort()).toEqual(['report-before-2.json', 'report-before.json']);
  });

  it('keeps no file without figures', () => {
    const folder = folderOf('none');
    const step = { suite: 'limit', args: [], wanted: ['rx-64'], cases: [] };
    const machine = describeMachine(undefined, false);
    const surroundings = describeSurroundings();
    const run = newRun({ version: '1', quick: true, machine, surroundings, steps: [step] });
    writeFileSync(join(folder, 'report.json'), runJson(run));
    expect(setAside(folder)).toBeUndefined();
    expect(readdirSync(folder)).toEqual(['report.json']);
  });

  it('regression: is refused where another one is', async () => {
    const [folder, other] = [folderOf('held'), folderOf('other')];
    await holdFolder(folder);
    await expect(holdFolder(join(folder, '.'))).rejects.toThrow(
      /^another run writes to .*: wait until it ends/,
    );
    await holdFolder(other);
  });
});
