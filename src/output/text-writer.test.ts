// SPDX-License-Identifier: BSD-3-Clause
// Output that is not read is lost, with no other effect: tested with child processes on stalled terminals and
// pipes.
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

describe('text to a reader that accepts nothing', () => {
  it.each(['terminal', 'pipe'] as const)('does not block the event loop or exit: a %s', async (kind) => {
    const program = hold(kind, 200_000);
    await until('the loop turns', () => reported().includes('written'));
    process.kill(await program.pid(), 'SIGTERM');
    await until('it ends', () => program.exit !== undefined);
    expect(program.exit).toBe(7);
  });

  it.each(['terminal', 'pipe'] as const)(
    'is dropped beyond a bound, counted and reported: a %s',
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
      // stdout and stderr each report their own losses.
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
  it('arrives complete and in order if stdout and stderr are one file, even right before exit', async () => {
    const program = hold('pipe', 5000);
    program.read();
    await until('all is there', () => program.output.includes('line 4999\n'));
    expect(program.output).toBe(Array.from({ length: 5000 }, (_, i) => `line ${i}\n`).join(''));
  });

  it('is written even if exit follows at once', async () => {
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

  it('regression: is lost on a full disk, which stderr and the exit status report', async () => {
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
  ])(
    'regression: is lost when the disk of %s is full, which the exit status reports',
    async (which, line) => {
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
    },
  );

  it('that is gone is a separate error, not an exception', async () => {
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
