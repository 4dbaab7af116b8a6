// SPDX-License-Identifier: BSD-3-Clause
// Names that are no files: nothing waits for the other end of a FIFO, or reads a device without end.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { nodeArguments, ROOT } from '../../test/support/program.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pktgen-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it.each([
  ['--replay', 'FIFO', 'a FIFO'],
  ['--streams', 'FIFO', 'a FIFO'],
  ['--json', 'FIFO', 'a FIFO'],
  ['--csv', 'FIFO', 'a FIFO'],
  ['--hgrm', 'FIFO', 'a FIFO'],
  ['--capture', 'FIFO', 'a FIFO'],
  ['--html', 'FIFO', 'a FIFO'],
  ['--html x.html --compare', 'FIFO', 'a FIFO'],
  ['--replay', '/dev/zero', 'a device'],
  ['--streams', '/dev/zero', 'a device'],
  ['--replay', '/tmp', 'a directory'],
  ['--json', '/tmp', 'a directory'],
])('%s %s is refused in one line', (option, name, kind) => {
  const fifo = join(folder, 'fifo');
  spawnSync('mkfifo', [fifo]);
  const file = name === 'FIFO' ? fifo : name;
  const program = [...nodeArguments('tools/pktgen/main.ts'), ...option.split(' '), file];
  const { status, stdout, stderr } = spawnSync(process.execPath, program, {
    ...({ cwd: ROOT, encoding: 'utf8', timeout: 60_000 } as const),
  });
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^vhost-pci-pktgen: .*\n$/);
  expect(stderr).toContain(`${file}: it is ${kind}, not a file`);
});

const LONG = 'x'.repeat(300);
it.each([
  ['--replay', 'open', 'file/x', 'ENOTDIR: not a directory'],
  ['--streams', 'read', 'file/x', 'ENOTDIR: not a directory'],
  ['--html x.html --compare', 'read', 'file/x', 'ENOTDIR: not a directory'],
  ['--json', 'write', 'file/x', 'ENOTDIR: not a directory'],
  ['--replay', 'open', LONG, 'ENAMETOOLONG: name too long'],
  ['--streams', 'read', LONG, 'ENAMETOOLONG: name too long'],
  ['--json', 'write', LONG, 'ENAMETOOLONG: name too long'],
  ['--csv', 'write', LONG, 'ENAMETOOLONG: name too long'],
  ['--streams', 'read', 'large', 'it is larger than 16 MiB, which is the limit'],
  ['--html x.html --compare', 'read', 'large', 'it is larger than 256 MiB, which is the limit'],
])('regression: %s says that it failed to %s its file: %s', (option, verb, name, cause) => {
  writeFileSync(join(folder, 'file'), '');
  writeFileSync(join(folder, 'large'), '');
  truncateSync(join(folder, 'large'), 20e9);
  const file = join(folder, name);
  const program = [...nodeArguments('tools/pktgen/main.ts'), ...option.split(' '), file];
  const { status, stderr } = spawnSync(process.execPath, program, { cwd: ROOT, encoding: 'utf8' });
  expect([status, stderr]).toEqual([1, `vhost-pci-pktgen: Failed to ${verb} ${file}: ${cause}\n`]);
});

it.each([
  ['a run', []],
  ['a far end', ['--reflect', '--vdev', 'net_null0']],
])('regression: a signal did not end the reading of a capture: %s', async (_, args) => {
  const file = join(folder, 'endless.pcap');
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20);
  writeFileSync(file, header);
  // Packets without a byte: hours of them.
  truncateSync(file, 2 ** 40);
  const child = spawn(
    process.execPath,
    [...nodeArguments('tools/pktgen/main.ts'), '--replay', file, ...args],
    {
      ...({ cwd: ROOT, stdio: 'ignore' } as const),
    },
  );
  const ended = once(child, 'exit');
  const reads = () => {
    const fds = `/proc/${child.pid}/fd`;
    return readdirSync(fds).some((fd) => {
      try {
        return readlinkSync(`${fds}/${fd}`) === file;
      } catch {
        return false;
      }
    });
  };
  await vi.waitUntil(reads, { timeout: 60_000 });
  child.kill('SIGINT');
  expect(await ended).toEqual([null, 'SIGINT']);
});
