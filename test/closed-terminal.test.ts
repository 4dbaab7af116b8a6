// SPDX-License-Identifier: BSD-3-Clause
// What each program does when its terminal is closed: it ends, leaves nothing behind, and does not crash, as
// Node does when it restores a terminal that is gone.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeArguments, ROOT } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';

const SCRIPT = join(ROOT, 'test/support/hung-up-terminal.py');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vhost-pci-closed-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Closes the terminal of a program that has printed `mark`; returns the exit status, -N for signal N. */
function closedAt(mark: string, program: string, ...args: string[]): number {
  const command = [SCRIPT, mark, process.execPath, ...nodeArguments(program), ...args];
  const options = { cwd: ROOT, encoding: 'utf8', timeout: 60_000, env: { ...process.env, TMPDIR: folder } };
  return Number(spawnSync('python3', command, options as { encoding: 'utf8' }).stdout);
}

const unused = () => readdirSync(folder).filter((name) => name.startsWith('vpci-') || name.endsWith('.sock'));

describe.skipIf(programMissing('python3', 'python3', 'test of a closed terminal'))(
  'regression: a closed terminal ends',
  () => {
    it.each<[string, string, number, string[]]>([
      ['tools/device/main.ts', 'ready', 0, ['--vhost-user', '%/a.sock', '--vfio-user', '%/b.sock']],
      ['tools/peer/main.ts', 'retrying', 0, ['--vhost-user', '%/none.sock']],
      [
        'tools/bench/main.ts',
        'starting',
        129,
        ['limit', '--peer', 'builtin', '--seconds', '0.5', '--no-huge'],
      ],
      ['tools/start/main.ts', 'Mpps', 129, []],
    ])('%s', (program, mark, status, args) => {
      const named = args.map((arg) => arg.replace('%', folder));
      expect(closedAt(mark, program, ...named)).toBe(status);
      expect(unused()).toEqual([]);
    });
  },
);
