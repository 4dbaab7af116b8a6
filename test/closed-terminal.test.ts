// SPDX-License-Identifier: BSD-3-Clause
// What each program does when its terminal is closed: it ends, leaves nothing behind, and does not crash, as
// Node does when it restores a terminal that is gone.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CaptureStage } from './support/dumpcap.ts';
import { nodeArguments, ROOT } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';

const SCRIPT = join(ROOT, 'test/support/hung-up-terminal.py');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vhost-pci-closed-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Closes the terminal of a program that has printed `mark`; returns the exit status, -N for signal N. */
function closedAt(mark: string, program: string, ...args: string[]): string {
  const command = [SCRIPT, mark, process.execPath, ...nodeArguments(program), ...args];
  const options = { cwd: ROOT, encoding: 'utf8', timeout: 60_000, env: { ...process.env, TMPDIR: folder } };
  const { stdout, stderr } = spawnSync('python3', command, options as { encoding: 'utf8' });
  return stdout.trim() || stderr;
}

const unused = () => readdirSync(folder).filter((name) => name.startsWith('vpci-') || name.endsWith('.sock'));

describe.skipIf(programMissing('python3', 'python3', 'test of a closed terminal'))(
  'regression: a closed terminal ends',
  () => {
    it.each<[string, string, string, string[]]>([
      ['tools/device/main.ts', 'ready', '0', ['--vhost-user', '%/a.sock', '--vfio-user', '%/b.sock']],
      ['tools/peer/main.ts', 'Waiting', '0', ['--server', '--vhost-user', '%/none.sock']],
      [
        'tools/bench/main.ts',
        'starting',
        '129',
        ['limit', '--peer', 'builtin', '--seconds', '0.5', '--no-huge'],
      ],
      ['tools/start/main.ts', 'Mpps', '129', []],
    ])('%s', (program, mark, status, args) => {
      const named = args.map((arg) => arg.replace('%', folder));
      expect(closedAt(mark, program, ...named)).toBe(status);
      expect(unused()).toEqual([]);
    });

    it.each([
      ['Dropped', ['-S']],
      ['Capturing', ['-w', '%/out.pcapng']],
    ])('tools/dumpcap/main.ts that prints %s', async (mark, args) => {
      const stage = new CaptureStage();
      try {
        await stage.start('net_null0');
        const named = args.map((arg) => arg.replace('%', folder));
        expect(closedAt(mark, 'tools/dumpcap/main.ts', ...named)).toBe('0');
      } finally {
        await stage.close();
      }
    });
  },
);
