// SPDX-License-Identifier: BSD-3-Clause
// Output that nobody reads costs output and nothing else: processes of their own on terminals and pipes that are held.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HeldOutput } from '../../test/support/held-output.ts';
import { collect } from '../../test/support/run-tool.ts';
import { until } from '../../test/support/wait.ts';

const PROGRAM = [
  process.execPath,
  '--import',
  'tsx',
  fileURLToPath(new URL('./text-writer.test-help.ts', import.meta.url)),
];

let folder: string;
let report: string;
let held: HeldOutput | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vhost-pci-output-'));
  report = join(folder, 'report');
});

afterEach(async () => {
  await held?.stop();
  held = null;
  rmSync(folder, { recursive: true });
});

const reported = () => (existsSync(report) ? readFileSync(report, 'utf8') : '');

function hold(kind: 'terminal' | 'pipe', lines: number): HeldOutput {
  held = new HeldOutput(kind, [...PROGRAM, String(lines), report]);
  return held;
}

describe('text to a reader that takes nothing', () => {
  it.each(['terminal', 'pipe'] as const)('does not hold the event loop, nor the end: a %s', async (kind) => {
    const program = hold(kind, 200_000);
    await until('the loop turns', () => reported().includes('written'));
    process.kill(await program.pid(), 'SIGTERM');
    await until('it ends', () => program.exit !== undefined);
    expect(program.exit).toBe(7);
  });

  it.each(['terminal', 'pipe'] as const)(
    'is lost beyond a bound, counted, and reported: a %s',
    async (kind) => {
      const program = hold(kind, 200_000);
      await until('the loop turns', () => reported().includes('written'));
      program.read();
      const lines = () => program.output.split(/\r?\n/).slice(0, -1);
      const lost = () =>
        lines()
          .flatMap((line) => /^\((\d+) lines? (?:was|were) lost here/.exec(line)?.[1] ?? [])
          .map(Number);
      const kept = () => lines().filter((line) => line.startsWith('line '));
      // stdout and stderr each report their own.
      const sum = () => kept().length + lost().reduce((all, n) => all + n, 0);
      await until(
        'all is there, or reported as lost',
        () => /lost here/.test(program.output) && sum() >= 200_000,
      );
      process.kill(await program.pid(), 'SIGTERM');
      await until('it ends', () => program.exit !== undefined);
      expect(sum()).toBe(200_000);
      expect(kept()).toEqual(kept().map((_, i) => `line ${i}`));
      expect(kept().length).toBeGreaterThan(1000);
    },
  );
});

describe('text to a reader', () => {
  it('comes whole and in order, stdout and stderr being one file, also right before the end', async () => {
    const program = hold('pipe', 5000);
    program.read();
    await until('all is there', () => program.output.includes('line 4999\n'));
    expect(program.output).toBe(Array.from({ length: 5000 }, (_, i) => `line ${i}\n`).join(''));
  });

  it('is written by an exit that follows at once', async () => {
    const code = `import { standardOutput } from ${JSON.stringify(fileURLToPath(new URL('./text-writer.ts', import.meta.url)))};
      for (let i = 0; i < 3000; i++) standardOutput().stdout.line('x'.repeat(99));
      standardOutput().stderr.line('the end');
      process.exit(3);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code]);
    const { code: exit, stdout, stderr } = await collect(child);
    expect({ exit, bytes: stdout.length, stderr }).toEqual({
      exit: 3,
      bytes: 300_000,
      stderr: 'the end\n',
    });
  });

  it('regression: on a full disk is lost, and stderr and the exit status say so', async () => {
    const code = `import { standardOutput } from ${JSON.stringify(fileURLToPath(new URL('./text-writer.ts', import.meta.url)))};
      const { stdout, stderr } = standardOutput();
      for (let i = 0; i < 3; i++) stdout.line('x');
      await stdout.settled();
      while (!stdout.error) await new Promise(setImmediate);
      stdout.line('y');
      stderr.line('goes on');
      process.exit(Number(process.argv[1] ?? 0));`;
    for (const [args, exit] of [
      [[], 1],
      [['3'], 3],
    ] as const) {
      const full = openSync('/dev/full', 'w');
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '--eval', code, ...args],
        { stdio: ['ignore', full, 'pipe'] },
      );
      closeSync(full);
      let stderr = '';
      child.stderr?.on('data', (data) => {
        stderr += data;
      });
      await once(child, 'close');
      expect([child.exitCode, stderr]).toEqual([
        exit,
        'stdout: output is lost: ENOSPC: No space left on device, write\ngoes on\nstdout: 4 lines were lost\n',
      ]);
    }
  });

  it.each([
    ['stderr', ''],
    ['both', 'y'],
  ])('regression: on a full disk that is that of %s, the exit status says so', async (which, line) => {
    const code = `import { standardOutput } from ${JSON.stringify(fileURLToPath(new URL('./text-writer.ts', import.meta.url)))};
      standardOutput().stderr.line('x');
      standardOutput().stdout.line('${line}');
      process.exit(0);`;
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code], {
      stdio: ['ignore', which === 'both' ? full : 'ignore', full],
    });
    closeSync(full);
    await once(child, 'close');
    expect(child.exitCode).toBe(1);
  });

  it('that went away is an error of its own, not an exception', async () => {
    const child = spawn(process.execPath, [...PROGRAM.slice(1), '1000', report], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    child.stdout?.destroy();
    await until('it is reported', () => reported().includes('gone'));
    child.kill('SIGTERM');
    await until('it ends', () => child.exitCode !== null);
    expect(child.exitCode).toBe(7);
  });
});
