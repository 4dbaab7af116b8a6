// SPDX-License-Identifier: BSD-3-Clause
// Names that are no files: nothing waits for the other end of a FIFO, or reads a device without end.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
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
