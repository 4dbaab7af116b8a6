// SPDX-License-Identifier: BSD-3-Clause
// The command: what a user sees after a mistake.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native.ts';
import { nodeArguments } from '../../test/support/program.ts';
import { until } from '../../test/support/wait.ts';
import { createDevice } from '../device/device.ts';
import { TestPeer } from '../device/test-help/peer.test-help.ts';

const MAIN = nodeArguments('tools/peer/main.ts');

function run(...args: string[]): { status: number | null; stderr: string; stdout: string } {
  return spawnSync(process.execPath, [...MAIN, ...args], {
    encoding: 'utf8',
    timeout: 30_000,
  });
}

describe('vhost-pci-peer', () => {
  it('reports a missing socket in one line, and exits with 1', () => {
    const { status, stderr } = run('--vhost-user', '/nonexistent/socket');
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^vhost-pci-peer: Failed to connect .* at \/nonexistent\/socket: no such socket; is vhost-pci-device running\? [^\n]*\n$/,
    );
  });

  it.each([
    ['no socket', [], /--vhost-user/],
    ['an unknown option', ['--vhost-user', 's', '--frobnicate'], /--frobnicate/],
    [
      'a path that is too long for a socket',
      ['--vhost-user', 's'.repeat(108)],
      /--vhost-user .* The path of a socket has at most 107 bytes, and this one has 108\n/,
    ],
    ['an unknown mode', ['--vhost-user', 's', '--mode', 'shout'], /--mode/],
    ['a frame that is too long', ['--vhost-user', 's', '--size', '9217'], /60 to 9216/],
    [
      'a CPU that does not exist',
      ['--vhost-user', 's', '--cpu', '0,1023'],
      /--cpu.*may not run on CPU 1023; allowed CPUs: /,
    ],
    ['a ring of 100 entries', ['--vhost-user', 's', '--queue-size', '100'], /power of two/],
    ['a count that is not a number', ['--vhost-user', 's', '--count', '1e3'], /--count/],
    ['a rate for unpaced traffic', ['--vhost-user', 's', '--rate', '1000'], /--rate.*--mode latency/],
    [
      'forgiveness where nothing is timed',
      ['--vhost-user', 's', '--own-stall', '10'],
      /--own-stall.*--mode latency/,
    ],
    [
      'a warm-up without an end',
      ['--vhost-user', 's', '--mode', 'latency', '--warm-up', '3', '--duration', '2.5'],
      /--warm-up 3: no frame would be timed in a --duration of 2\.5/,
    ],
    ['a duration of 0', ['--vhost-user', 's', '--duration', '0'], /--duration.* from 0\.001 /],
    [
      'an invalid socket mode',
      ['--vhost-user', 's', '--server', '--socket-mode', '8'],
      /--socket-mode.*octal/,
    ],
    ['a socket owner without a socket', ['--vhost-user', 's', '--socket-owner', 'root'], /--server/],
    ['an unknown attack', ['--vhost-user', 's', '--hostile', 'kindness'], /--hostile/],
    ['a surplus argument', ['--vhost-user', 's', 'more'], /unexpected argument 'more'/],
    ['control characters', ['--vhost-user', 's', '--count=1\x1b[2J\n2'], /'1 \[2J 2'/],
  ])('refuses %s with exit code 2', (_name, args, message) => {
    const { status, stderr } = run(...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
    // regression: exactly one line, in the form that all programs here use
    expect(stderr).toMatch(/^vhost-pci-peer: [^\n]*\n$/);
  });

  it('regression: asks for vhost-pci-device where nobody listens any more', () => {
    const folder = mkdtempSync(join(tmpdir(), 'peer-main-'));
    const path = join(folder, 's');
    native.close(native.unixListen(path));
    const { status, stderr } = run('--vhost-user', path);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(`at ${path}: connection refused; is vhost-pci-device running?`),
    ]);
    rmSync(folder, { recursive: true });
  });

  it('reports a file in place of its socket', () => {
    const folder = mkdtempSync(join(tmpdir(), 'peer-main-'));
    const path = join(folder, 'file');
    writeFileSync(path, '');
    const { status, stderr } = run('--vhost-user', path);
    expect([status, stderr]).toEqual([
      1,
      `vhost-pci-peer: Failed to connect to the vhost-user back-end at ${path}: it is not a socket\n`,
    ]);
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['is connected already', 's'],
    ['would be, at the other socket', 'v'],
  ])('regression: says why the back-end closes, where another peer %s', async (_, socket) => {
    const folder = mkdtempSync(join(tmpdir(), 'peer-main-'));
    const device = createDevice({ vhostUser: join(folder, 's'), vfioUser: join(folder, 'v') });
    const first = new TestPeer(native.unixConnect(join(folder, 's')));
    await first.start();
    const child = spawn(process.execPath, [...MAIN, '--vhost-user', join(folder, socket)]);
    let stderr = '';
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    try {
      await until('the reason is printed', () => stderr.includes('\n'));
      expect(stderr).toMatch(
        /^Back-end not available yet, retrying: [^\n]*: another peer is connected to it, or this is not its vhost-user socket\n/,
      );
    } finally {
      child.kill('SIGKILL');
      first.close();
      device.close();
      rmSync(folder, { recursive: true });
    }
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'ends at %s while it waits for a back-end, and takes its socket away',
    async (signal) => {
      const folder = mkdtempSync(join(tmpdir(), 'peer-main-'));
      const socket = join(folder, 's');
      const child = spawn(process.execPath, [...MAIN, '--server', '--vhost-user', socket]);
      let stderr = '';
      child.stderr.on('data', (data) => {
        stderr += data;
      });
      try {
        await until('it says that it waits', () => stderr.includes('\n'));
        expect([stderr, existsSync(socket)]).toEqual([
          `Waiting for a back-end to connect to ${socket}\n`,
          true,
        ]);
        child.kill(signal);
        await until('it ended', () => child.exitCode !== null || child.signalCode !== null);
        expect(child.exitCode).toBe(0);
        expect(existsSync(socket)).toBe(false);
      } finally {
        child.kill('SIGKILL');
        rmSync(folder, { recursive: true });
      }
    },
  );

  it('regression: ends in order when its statistics are not read', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'peer-main-'));
    const device = createDevice({ vhostUser: join(folder, 's'), vfioUser: join(folder, 'v') });
    const statistics = ['--stats-period', '0.05', '--vhost-user', join(folder, 's')];
    const child = spawn(process.execPath, [...MAIN, ...statistics]);
    let stderr = '';
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    try {
      child.stdout.once('data', () => child.stdout.destroy());
      await until('it ended', () => child.exitCode !== null || child.signalCode !== null);
      expect([child.exitCode, stderr]).toEqual([0, expect.stringMatching(/^The back-end is up[^\n]*\n$/)]);
    } finally {
      child.kill('SIGKILL');
      device.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('says once that nothing passes, where no driver is at the other end', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'peer-main-'));
    const device = createDevice({ vhostUser: join(folder, 's'), vfioUser: join(folder, 'v') });
    const child = spawn(process.execPath, [
      ...[...MAIN, '--stats-period', '0.25', '--vhost-user', join(folder, 's'), '--duration', '4'],
    ]);
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].on('data', (data) => {
        output[name] += data;
      });
    try {
      await until('it ended', () => child.exitCode !== null || child.signalCode !== null);
      const [up, still, ...others] = output.stderr.trim().split('\n');
      expect([child.exitCode, up, others]).toEqual([0, expect.stringMatching(/^The back-end is up/), []]);
      expect(still).toMatch(
        /^No frame (passes any more|has passed yet): the driver at the other end is gone/,
      );
      expect(output.stdout).toMatch(/(^tx {3}0\.000 Mpps .*\n)total .*\n$/m);
    } finally {
      child.kill('SIGKILL');
      device.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('prints its help and exits with 0', () => {
    const { status, stdout } = run('--help');
    expect(status).toBe(0);
    expect(stdout).toContain('--vhost-user <path>');
  });
});
