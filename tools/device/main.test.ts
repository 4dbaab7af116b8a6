// SPDX-License-Identifier: BSD-3-Clause
// The command line: what it prints and how it exits.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isSafeMemory } from '../../src/bus/memory-files.ts';
import { native } from '../../src/native.ts';
import { HeldOutput } from '../../test/support/held-output.ts';
import { nodeArguments } from '../../test/support/program.ts';
import { until } from '../../test/support/wait.ts';
import { TestDriver } from './test-help/driver.test-help.ts';
import { MEMORY_BYTES, TestPeer } from './test-help/peer.test-help.ts';

const MAIN = nodeArguments('tools/device/main.ts');

interface Run {
  readonly child: ChildProcess;
  stdout: string;
  stderr: string;
  code: number | null;
}

let folder: string;
const runs: Run[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vhost-pci-device-cli-'));
});

afterEach(() => {
  for (const { child, code } of runs.splice(0)) if (code === null) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

const sockets = () => ['--vhost-user', join(folder, 'a'), '--vfio-user', join(folder, 'b')];

/** A connection to a socket that may not exist or not be listening yet. */
async function connected(path: string): Promise<number> {
  let fd = -1;
  await until(`${path} takes connections`, () => {
    try {
      fd = native.unixConnect(path);
    } catch {}
    return fd >= 0;
  });
  return fd;
}

function start(...args: string[]): Run {
  const child = spawn(process.execPath, [...MAIN, ...args]);
  const run: Run = { child, stdout: '', stderr: '', code: null };
  child.stdout.on('data', (data) => {
    run.stdout += data;
  });
  child.stderr.on('data', (data) => {
    run.stderr += data;
  });
  child.on('close', (code) => {
    run.code = code ?? -1;
  });
  runs.push(run);
  return run;
}

async function end(...args: string[]): Promise<Run> {
  const run = start(...args);
  await until('it ends', () => run.code !== null);
  return run;
}

describe('vhost-pci-device', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'says that it is ready, and ends cleanly at %s',
    async (signal) => {
      const run = start(...sockets());
      await until('it is ready', () => run.stdout.includes('\n'));
      expect(run.stdout).toBe(
        `vhost-pci-device: ready, vhost-user ${join(folder, 'a')}, vfio-user ${join(folder, 'b')}\n`,
      );
      expect(existsSync(join(folder, 'a')) && existsSync(join(folder, 'b'))).toBe(true);
      run.child.kill(signal);
      await until('it ends', () => run.code !== null);
      expect(run.code).toBe(0);
      expect(run.stderr).toBe('');
      expect(existsSync(join(folder, 'a')) || existsSync(join(folder, 'b'))).toBe(false);
    },
  );

  it('regression: goes on silently when its output has no reader', async () => {
    const run = start(...sockets());
    run.child.stdout?.destroy();
    run.child.stderr?.destroy();
    await until('it listens', () => existsSync(join(folder, 'b')));
    for (let i = 0; i < 3; i++) {
      const client = connect(join(folder, 'a'));
      await once(client, 'connect');
      client.destroy();
      await once(client, 'close');
    }
    run.child.kill('SIGTERM');
    await until('it ends', () => run.code !== null);
    expect(run.code).toBe(0);
    expect(existsSync(join(folder, 'a')) || existsSync(join(folder, 'b'))).toBe(false);
  });

  it.each(['terminal', 'pipe'] as const)(
    'regression: with -v it answers, and ends at SIGTERM, while its %s is not read',
    async (kind) => {
      const command = [process.execPath, ...MAIN, ...sockets(), '-v'];
      const device = new HeldOutput(kind, command);
      try {
        const driver = new TestDriver(await connected(join(folder, 'b')));
        await driver.version();
        // A pipe holds 64 KiB of lines, a terminal less.
        for (let i = 0; i < 5000; i++) await driver.read(7, 0, 4);
        process.kill(await device.pid(), 'SIGTERM');
        await until('it ends', () => device.exit !== undefined);
        expect(device.exit).toBe(0);
        driver.close();
      } finally {
        await device.stop();
      }
    },
  );

  it.each([
    ['a missing option', ['--vhost-user', 'x'], '--vfio-user'],
    ['too many queues', ['--queues', '129'], '--queues'],
    ['a number of queues that is not a number', ['--queues', 'two'], '--queues'],
    ['an unknown feature', ['--features', 'mrg_rxbuf,packed'], "'packed'"],
    ['segmentation without checksums', ['--features', 'guest_csum,host_tso4'], 'host_tso4 needs csum'],
    [
      'congestion marks without segmentation',
      ['--features', 'csum,host_ecn'],
      'needs host_tso4 or host_tso6',
    ],
    ['an invalid size', ['--max-peer-memory', '8X'], '--max-peer-memory'],
    ['an invalid socket mode', ['--socket-mode', '0999'], '--socket-mode'],
    ['an owner that does not exist', ['--socket-owner', 'no-such-user:root'], "no user 'no-such-user'"],
    ['no time to negotiate', ['--handshake-timeout', '0'], '--handshake-timeout'],
    ['an empty file system name', ['--allow-memory-fs', 'ext4,,xfs'], '--allow-memory-fs'],
    ['a directory instead of a file system', ['--allow-memory-fs', '/mnt'], '--allow-memory-fs'],
    ['an unknown mode', ['--vhost-user-mode', 'both'], '--vhost-user-mode'],
    ['an unknown option', ['--frobnicate'], '--frobnicate'],
    ['a surplus argument', ['surplus'], "unexpected argument 'surplus'"],
    ['control characters', ['--queues=1\x1b[2J\n2'], "'1 [2J 2'"],
  ])('refuses %s with one line and code 2', async (what, args, named) => {
    const run = await end(...(what === 'a missing option' ? args : [...sockets(), ...args]));
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/^vhost-pci-device: [^\n]*\n$/);
    expect(run.stderr).toContain(named);
    expect(run.stdout).toBe('');
  });

  const two = ['--vfio-user', '/tmp/a', '--vfio-user', '/tmp/b'];
  it.each([
    ['--symmetric', ['--symmetric', '--vfio-user', '/tmp/a'], 'two drivers: give --vfio-user twice'],
    ['a third driver', ['--symmetric', ...two, '--vfio-user', '/tmp/c'], 'give --vfio-user twice'],
    ['one socket twice', ['--ivshmem2', '--vfio-user', '/tmp/a', '--vfio-user', '/tmp/./a'], 'its own path'],
    [
      'a peer for it',
      ['--symmetric', ...two, '--vhost-user', '/tmp/c'],
      '--vhost-user has no use with --symmetric',
    ],
    ['vectors for it', ['--symmetric', ...two, '--vectors', '2'], '--vectors has no use with --symmetric'],
    [
      'a size for a peer',
      ['--vhost-user', '/tmp/c', '--vfio-user', '/tmp/a', '--size', '1M'],
      '--size needs --symm',
    ],
    [
      '--unidirectional alone',
      ['--ivshmem2', ...two, '--unidirectional'],
      '--unidirectional has no use with --ivshmem2',
    ],
    ['two drivers for a peer', ['--vhost-user', '/tmp/c', ...two], 'one driver: give --vfio-user once'],
    ['two devices', ['--symmetric', '--ivshmem2', ...two], '--ivshmem2 has no use with --symmetric'],
    [
      'drivers of a server',
      ['--ivshmem-server', '/tmp/s', ...two],
      '--vfio-user has no use with --ivshmem-server',
    ],
    ['an odd size', ['--symmetric', ...two, '--size', '3M'], 'choose a power of two, 128K to 1G'],
    ['too many vectors', ['--ivshmem-server', '/tmp/s', '--vectors', '17'], '--vectors'],
  ])('refuses with one line and code 2: %s', async (_, args, named) => {
    const run = await end(...args);
    expect([run.code, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(/^vhost-pci-device: [^\n]*\n$/);
    expect(run.stderr).toContain(named);
  });

  it.each([
    [['--symmetric'], 2],
    [['--ivshmem2'], 2],
    [['--ivshmem-server'], 1],
  ])('offers the devices of RFC 2.1, and removes their sockets: %s', async (options, count) => {
    const paths = ['a', 'b'].slice(0, count).map((name) => join(folder, name));
    const given = count === 1 ? paths : paths.flatMap((path) => ['--vfio-user', path]);
    const run = start(...options, ...given);
    await until('it is ready', () => run.stdout.includes('\n'));
    const named = count === 1 ? 'ivshmem-server' : 'vfio-user';
    expect(run.stdout).toBe(`vhost-pci-device: ready, ${named} ${paths.join(' and ')}\n`);
    run.child.kill('SIGTERM');
    await until('it ends', () => run.code !== null);
    expect([run.code, run.stderr, paths.map((path) => existsSync(path))]).toEqual([
      0,
      '',
      paths.map(() => false),
    ]);
  });

  it('gives its sockets the requested mode and owner, whatever the umask', async () => {
    const umask = process.umask(0o077);
    const owner = process.getuid?.() === 0 ? ['--socket-owner', '0:1234'] : [];
    const run = start(...sockets(), '--socket-mode', '0660', ...owner);
    process.umask(umask);
    await until('it is ready', () => run.stdout.includes('\n'));
    for (const name of ['a', 'b']) {
      const { mode, gid } = statSync(join(folder, name));
      expect(mode & 0o777).toBe(0o660);
      if (owner.length > 0) expect(gid).toBe(1234);
    }
  });

  it('takes memory on the file systems that were allowed, and on no others', async (context) => {
    const path = join(folder, 'memory');
    writeFileSync(path, '');
    truncateSync(path, MEMORY_BYTES);
    const file = openSync(path, 'r+');
    const name = native.fileSystem(file);
    if (isSafeMemory(file)) {
      closeSync(file);
      context.skip(`${tmpdir()} is a ${name} here, which is always accepted`);
    }
    const answers: bigint[] = [];
    for (const names of [`xyzfs,${name}`, 'xyzfs']) {
      const run = start(...sockets(), '--allow-memory-fs', names);
      await until('it is ready', () => run.stdout.includes('\n'));
      const peer = new TestPeer(native.unixConnect(join(folder, 'a')));
      await peer.negotiate();
      native.close(peer.memory);
      peer.memory = native.dup(file);
      answers.push(await peer.sendMemory());
      peer.close();
      run.child.kill('SIGTERM');
      await until('it ends', () => run.code !== null);
    }
    closeSync(file);
    expect(answers).toEqual([0n, 1n]);
  });

  it('regression: says what occupies a path that it cannot use', async () => {
    writeFileSync(join(folder, 'a'), 'precious');
    const file = await end(...sockets());
    expect([file.code, file.stderr]).toEqual([
      1,
      `vhost-pci-device: Failed to listen on ${join(folder, 'a')}: it is a regular file, not a socket: remove it, or choose another path\n`,
    ]);
    rmSync(join(folder, 'a'));
    const first = start(...sockets());
    await until('it is ready', () => first.stdout.includes('\n'));
    const second = await end(...sockets());
    expect([second.code, second.stderr]).toEqual([
      1,
      `vhost-pci-device: Failed to listen on ${join(folder, 'a')}: another process listens there, probably a device model that is still running: stop it, or choose another path\n`,
    ]);
    expect(existsSync(join(folder, 'a')) && existsSync(join(folder, 'b'))).toBe(true);
  });

  it('regression: refuses one path for both sockets, through a link too', async () => {
    symlinkSync('.', join(folder, 'link'));
    for (const other of ['./a', 'link/a']) {
      const run = await end('--vhost-user', join(folder, 'a'), '--vfio-user', `${folder}/${other}`);
      refused(run);
    }
  });

  function refused(run: Run): void {
    expect([run.code, run.stderr]).toEqual([
      2,
      'vhost-pci-device: --vhost-user and --vfio-user are two sockets: give each its own path\n',
    ]);
  }

  it('regression: refuses a socket without a path', async () => {
    const run = await end('--vhost-user', '', '--vfio-user', join(folder, 'b'));
    expect([run.code, run.stderr]).toEqual([2, expect.stringContaining('Expected the path of a socket')]);
  });

  it('regression: refuses a path that is too long for a socket before it makes the other one', async () => {
    const long = join(folder, 'x'.repeat(100));
    const run = await end('--vhost-user', join(folder, 'a'), '--vfio-user', long);
    expect([run.code, run.stderr]).toEqual([
      2,
      `vhost-pci-device: --vfio-user '${long}': The path of a socket has at most 107 bytes, and this one has ${long.length}\n`,
    ]);
    expect(existsSync(join(folder, 'a'))).toBe(false);
  });

  it('names a path that cannot be used, in one line, with code 1', async () => {
    const run = await end('--vhost-user', join(folder, 'a'), '--vfio-user', join(folder, 'no', 'such'));
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^vhost-pci-device: Failed to listen on [^\n]*no\/such[^\n]*\n$/);
    expect(existsSync(join(folder, 'a'))).toBe(false);
  });

  it('explains itself', async () => {
    const run = await end('--help');
    expect(run.code).toBe(0);
    expect(run.stdout).toContain('--reference');
  });
});
