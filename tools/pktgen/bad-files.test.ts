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
