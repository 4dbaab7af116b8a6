// SPDX-License-Identifier: BSD-3-Clause
// `npm start` as a user runs it, from dist.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from './support/program.ts';
import { collect, type Ended, runTool, startTool } from './support/run-tool.ts';
import { until } from './support/wait.ts';

const MAIN = 'dist/tools/start/main.js';
const folder = mkdtempSync(join(tmpdir(), 'start-'));

beforeAll(() => {
  if (!existsSync(join(ROOT, MAIN))) execFileSync('npm', ['run', 'build'], { cwd: ROOT, stdio: 'pipe' });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Parent of the folder for its sockets, which must be gone afterwards. */
const demo = (...args: string[]): Promise<Ended> => runTool(MAIN, args, { TMPDIR: folder });

describe('npm start', () => {
  it('gets every packet back, checked, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await demo('--duration', '2');
    expect([code, stderr]).toEqual([0, '']);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toContain('built-in peer');
    const seconds = lines.filter((line) => line.startsWith('t='));
    expect(seconds).toHaveLength(2);
    for (const line of seconds) {
      expect(line).toMatch(
        /^t=\d s {2}peer→pmd \d+\.\d\d Mpps {2}pmd→peer \d+\.\d\d Mpps {2}checked \d+\.\d M {2}lost 0 {2}bad 0$/,
      );
    }
    const peer = /^peer: (\d+) sent, (\d+) received; all came back/m.exec(stdout);
    const pmd = /^pmd: {2}(\d+) received, (\d+) sent, 0 dropped, \d+ cycles per packet/m.exec(stdout);
    expect(Number(peer?.[1])).toBeGreaterThan(0);
    expect([peer?.[2], pmd?.[1], pmd?.[2]]).toEqual([peer?.[1], peer?.[1], peer?.[1]]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['--forward-mode', 'io', '--size', '1518'],
    ['--forward-mode', 'mac', '--queues', '2'],
    ['--size', '9000', '--burst', '8'],
  ])('checks contents with %s %s %s %s as well', async (...args) => {
    const { code, stdout, stderr } = await demo('--duration', '1', ...args);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('all came back, in order and with the right contents');
  });

  it.each([
    ['rxonly', 'pmd→peer 0.00 Mpps'],
    ['txonly', 'peer→pmd 0.00 Mpps'],
  ])('goes one way with %s', async (mode, still) => {
    const { code, stdout } = await demo('--duration', '1', '--forward-mode', mode);
    expect([code, stdout]).toEqual([0, expect.stringContaining(still)]);
  });

  it.each([[['--symmetric']], [['--symmetric', '--unidirectional', '--queues', '2', '--size', '1518']]])(
    'shows RFC 2.1 between two PMDs: %s',
    async (args) => {
      const { code, stdout, stderr } = await demo('--duration', '1', ...args);
      expect([code, stderr]).toEqual([0, '']);
      const [, sent, received] = /^peer: (\d+) sent, (\d+) received/m.exec(stdout) ?? [];
      expect(Number(sent)).toBeGreaterThan(1000);
      expect(Number(received)).toBeGreaterThan(1000);
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  it('describes its options', async () => {
    const { code, stdout } = await demo('--help');
    expect(code).toBe(0);
    for (const option of [
      'peer',
      'size',
      'duration',
      'forward-mode',
      'burst',
      'queues',
      'interactive',
      'verbose',
    ]) {
      expect(stdout).toContain(`--${option}`);
    }
  });

  it.each([
    [['--size', '59'], '--size'],
    [['--peer', 'ovs'], '--peer'],
    [['--forward-mode', 'csum'], '--forward-mode'],
    [['--sise', '64'], '--sise'],
    [['--unidirectional'], '--unidirectional needs --symmetric'],
    [['--symmetric', '--peer', 'dpdk'], '--peer=dpdk has no use with --symmetric'],
  ])('refuses %s', async (args, named) => {
    const { code, stderr } = await demo(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(named)]);
    expect(stderr).toMatch(/^npm start: /);
  });

  it('reports the failed part in one line and ends the others', async () => {
    const child = startTool(MAIN, ['--duration', '60'], { TMPDIR: folder });
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    const ended = collect(child);
    await until('packets flow', () => stdout.includes('t=1 s'));
    const children = childrenOf(child.pid as number);
    const device = children.find(({ line }) => line.includes('device/main'));
    process.kill(device?.pid as number, 'SIGKILL');
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^npm start: vhost-pci-device ended \(SIGKILL\)[^\n]*\n$/);
    for (const { pid } of children) expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('regression: names the part that was stopped while packets flowed', async () => {
    const child = startTool(MAIN, ['--duration', '3'], { TMPDIR: folder });
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    const ended = collect(child);
    await until('packets flow', () => stdout.includes('t=1 s'));
    const pmd = childrenOf(child.pid as number).find(({ line }) => line.includes('vhost-pci-testpmd'));
    process.kill(pmd?.pid as number, 'SIGSTOP');
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^npm start: the check failed: \d+ frames did not come back[^\n]*\n$/);
    expect(stderr).toContain('; vhost-pci-testpmd was stopped (SIGSTOP or SIGTSTP) while packets flowed');
    expect(existsSync(`/proc/${pmd?.pid}`)).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('regression: ends, with its children, when the reader of its output is gone', async () => {
    const child = startTool(MAIN, ['--duration', '60'], { TMPDIR: folder });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout?.once('data', () => child.stdout?.destroy());
    await until('it ended', () => child.exitCode !== null || child.signalCode !== null);
    expect([child.exitCode, stderr]).toEqual([0, '']);
    await until('its folder is gone', () => readdirSync(folder).length === 0);
  });

  it('regression: prints the totals and ends its children when Ctrl-C interrupts it', async () => {
    const child = startTool(MAIN, ['--duration', '60'], { TMPDIR: folder });
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    const ended = collect(child);
    await until('packets flow', () => stdout.includes('t=1 s'));
    const children = childrenOf(child.pid as number);
    expect(children).toHaveLength(3);
    // Ctrl-C goes to the terminal's whole process group: the children must not be in it.
    for (const { pid } of children) expect(groupOf(pid)).toBe(pid);
    // npm passes on what the terminal has sent to all.
    child.kill('SIGINT');
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([130, '']);
    expect(stdout).toMatch(/^peer: (\d+) sent, \1 received; all came back/m);
    expect(stdout).toMatch(/^pmd: {2}\d+ received, \d+ sent, 0 dropped/m);
    await until('they are gone', () => children.every(({ pid }) => !existsSync(`/proc/${pid}`)));
    expect(readdirSync(folder)).toEqual([]);
  });
});

/** proc_pid_stat(5): the process group is the third field after the name. */
function groupOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
}

function childrenOf(parent: number): { pid: number; line: string }[] {
  return readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8')
    .trim()
    .split(' ')
    .map((pid) => ({ pid: Number(pid), line: readFileSync(`/proc/${pid}/cmdline`, 'utf8') }));
}
