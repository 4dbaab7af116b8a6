// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Child } from './child.ts';

const node = (code: string, maxRunMs = 60_000) =>
  new Child({ name: 'the child', command: [process.execPath, '-e', code], maxRunMs });

const alive = (pid: number | undefined): boolean => {
  try {
    return process.kill(pid as number, 0);
  } catch {
    return false;
  }
};

describe('waiting for output', () => {
  it('logs all output of both streams', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'child-'));
    const log = join(folder, 'program.log');
    const script = "console.log('said'); console.error('complained')";
    const child = new Child({
      name: 'program',
      command: [process.execPath, '-e', script],
      log,
      maxRunMs: 60_000,
    });
    await child.gone;
    expect(readFileSync(log, 'utf8').split('\n').sort()).toEqual(['', 'complained', 'said']);
    rmSync(folder, { recursive: true });
  });

  it('ends when the output arrives, or if it arrived before', async () => {
    const child = node(`console.log('ready 7'); setInterval(() => {}, 1000)`);
    expect((await child.waitFor(/ready (\d)/, 60_000))[1]).toBe('7');
    expect((await child.waitFor(/ready (\d)/, 60_000))[1]).toBe('7');
    await child.stop();
  });

  it('fails with one line that quotes the last message when the child ends first', async () => {
    const child = node(`console.error('first\\nno such socket'); process.exit(3)`);
    await expect(child.waitFor(/ready/, 60_000)).rejects.toThrow(
      'the child ended (3) before "ready" came; last message: no such socket',
    );
  });

  it.each([
    ['an uncaught error', "throw new TypeError('no such thing')", 'TypeError: no such thing'],
    [
      'an error with properties',
      "throw Object.assign(new Error('no such file'), { code: 'ENOENT' })",
      'Error: no such file',
    ],
    ['a thrown value', "throw 'a word'", 'a word'],
    [
      'a fatal error of V8',
      "console.error('#\\n# Fatal error in , line 0\\n# Check failed: x.\\n#\\n#'); process.exit(1)",
      'Check failed: x.',
    ],
  ])('regression: quotes the message of %s, not the end of the report', async (_, code, message) => {
    await expect(node(code).waitFor(/ready/, 60_000)).rejects.toThrow(
      new RegExp(`^the child ended \\(1\\) before "ready" came; last message: ${message}$`),
    );
  });

  it('fails after a timeout', async () => {
    const child = node('setInterval(() => {}, 1000)');
    await expect(child.waitFor(/ready/, 50)).rejects.toThrow(
      'the child timed out after 0.05 s waiting for "ready"',
    );
    await child.stop();
  });

  it('fails when the program does not exist', async () => {
    const child = new Child({ name: 'the child', command: ['/nowhere/at-all'], maxRunMs: 1000 });
    await expect(child.waitFor(/ready/, 60_000)).rejects.toThrow(/the child ended .*nowhere/s);
    await child.stop();
  });

  it('delivers complete lines, however the output is split', async () => {
    const child = node(
      `process.stdout.write('on'); setTimeout(() => process.stdout.write('e\\ntwo\\nthr'), 50)`,
    );
    const lines: string[] = [];
    child.onLine((line) => lines.push(line));
    await child.gone;
    expect(lines).toEqual(['one', 'two']);
  });
});

describe('very long output', () => {
  it('is discarded from the start, and waiting for later output still works', async () => {
    const child = node(
      `const line = 'x'.repeat(1 << 20); process.stdin.once('data', () => console.log('ready 8'));
       for (let i = 0; i < 20; i++) console.log(line); console.log('ready 7'); setInterval(() => {}, 1000)`,
    );
    expect((await child.waitFor(/ready (\d)/, 60_000))[1]).toBe('7');
    const from = child.printed;
    expect(from).toBe(20 * ((1 << 20) + 1) + 8);
    expect(child.output.length).toBeLessThan(9 << 20);
    child.write('');
    expect((await child.waitFor(/ready (\d)/, 60_000, from))[1]).toBe('8');
    await child.stop();
  }, 60_000);
});

describe('a pause', () => {
  it('holds a child until it is resumed or stopped', async () => {
    const child = node(
      `process.stdin.on('data', () => console.log('heard')); console.log('up'); process.on('SIGINT', () => process.exit(0))`,
    );
    await child.waitFor(/up/, 60_000);
    expect(child.halted).toBe(false);
    child.pause();
    child.write('');
    await expect(child.waitFor(/heard/, 300)).rejects.toThrow('timed out');
    expect(child.halted).toBe(true);
    child.resume();
    await child.waitFor(/heard/, 60_000);
    expect(child.halted).toBe(false);
    child.pause();
    await child.stop();
    expect([child.exit, child.halted]).toEqual([0, false]);
  });
});

describe('the end of a child', () => {
  it('is requested with SIGINT', async () => {
    const child = node(
      `process.on('SIGINT', () => { console.log('bye'); process.exit(0) }); console.log('up'); setInterval(() => {}, 1000)`,
    );
    await child.waitFor(/up/, 60_000);
    await child.stop();
    expect([child.exit, child.output.includes('bye')]).toEqual([0, true]);
  });

  it('is forced when the child ignores that', async () => {
    const child = node(`process.on('SIGINT', () => {}); console.log('up'); setInterval(() => {}, 1000)`);
    await child.waitFor(/up/, 60_000);
    await child.stop();
    expect(child.exit).toBe('SIGKILL');
  });

  it('comes after the maximum run time in any case', async () => {
    const child = node('setInterval(() => {}, 1000)', 100);
    await child.gone;
    expect(child.exit).toBe('SIGKILL');
  });

  it('follows that of the process that started it', async () => {
    const module = JSON.stringify(new URL('./child.ts', import.meta.url).href);
    const parent = new Child({
      name: 'the parent',
      maxRunMs: 20_000,
      command: [
        ...[process.execPath, '--import', import.meta.resolve('tsx'), '--input-type=module', '-e'],
        `import { Child } from ${module};
         const child = new Child({ name: 'c', command: [process.execPath, '-e', 'setInterval(() => {}, 1000)'], maxRunMs: 60000 });
         console.log('pid=' + child.pid);
         setTimeout(() => process.exit(0), 100);`,
      ],
    });
    const pid = Number((await parent.waitFor(/pid=(\d+)/, 60_000))[1]);
    await parent.gone;
    await expect.poll(() => alive(pid), { timeout: 60_000 }).toBe(false);
  });
});
