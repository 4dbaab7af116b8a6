// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { MAX_FILE_BYTES, MAX_LINE, readCommandFile } from './command-file.ts';

let folder: string;
let descriptors: number;
const path = (name: string) => join(folder, name);
const file = (name: string, text: string | Buffer) => {
  writeFileSync(path(name), text);
  return path(name);
};
const read = (name: string) => readCommandFile(name, new AbortController().signal);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vpci-commands-'));
  descriptors = openFds();
});
afterEach(async () => {
  await until('no descriptor is left', () => openFds() <= descriptors);
  rmSync(folder, { recursive: true });
});

describe('a command file', () => {
  it('is read completely', async () => {
    expect(await read(file('a', 'start\nstop'))).toEqual(['start', 'stop']);
    expect(await read('/proc/self/comm')).toHaveLength(2);
  });

  it.each([
    ['/dev/zero', 'it is neither a regular file nor a pipe'],
    [tmpdir(), 'it is neither a regular file nor a pipe'],
    ['/nonexistent', 'ENOENT: no such file or directory'],
  ])('regression: is refused at once when it is %s', async (name, cause) => {
    await expect(read(name)).rejects.toThrow(cause);
  });

  it('regression: is refused when it is too large, not text, or has endless lines', async () => {
    truncateSync(file('huge', ''), 2 ** 40);
    await expect(read(path('huge'))).rejects.toThrow(`it has more than ${MAX_FILE_BYTES} bytes`);
    await expect(read(file('binary', Buffer.of(1, 0, 2)))).rejects.toThrow('it is not a text file');
    const long = `stop\n${'x'.repeat(MAX_LINE + 1)}\n`;
    await expect(read(file('long', long))).rejects.toThrow(`line 2 has more than ${MAX_LINE} characters`);
    expect(await read(file('fits', 'x'.repeat(MAX_LINE)))).toHaveLength(1);
  });
});

describe('a pipe of commands', () => {
  beforeEach(() => void execFileSync('mkfifo', [path('pipe')]));

  it('is read to its end, whether reader or writer opens it first', async () => {
    const commands = read(path('pipe'));
    spawn('sh', ['-c', `(echo start; echo stop) > ${path('pipe')}`]);
    expect(await commands).toEqual(['start', 'stop', '']);
  });

  it('regression: without a writer does not block and can be aborted', async () => {
    const interrupt = new AbortController();
    const commands = readCommandFile(path('pipe'), interrupt.signal);
    let turns = 0;
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (++turns < 3) return;
        clearInterval(timer);
        resolve();
      }, 1);
    });
    interrupt.abort();
    await expect(commands).rejects.toThrow('interrupted');
  });

  it('is refused when it is endless', async () => {
    const endless = spawn('sh', ['-c', `exec cat /dev/zero > ${path('pipe')}`]);
    const gone = new Promise((resolve) => endless.once('exit', resolve));
    await expect(read(path('pipe'))).rejects.toThrow(`it has more than ${MAX_FILE_BYTES} bytes`);
    await gone;
  });
});
