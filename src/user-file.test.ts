// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeFolder, openToRead, openToWrite, readText, requireWritable } from './user-file.ts';

let folder = '';
const at = (name: string) => join(folder, name);
const server = createServer();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'user-file-'));
  execFileSync('mkfifo', [at('fifo')]);
  writeFileSync(at('file'), 'text\n');
  await new Promise<void>((done) => server.listen(at('socket'), done));
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const failure = (call: () => unknown) => {
  try {
    call();
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code} ${message.replaceAll(folder, '.')}`;
  }
  return 'no failure';
};

describe('a file that is read', () => {
  it('is a file, or refused at once', () => {
    expect(readText(at('file'), 5)).toBe('text\n');
    expect(failure(() => openToRead(at('fifo')))).toBe(
      'VPCI_NO_FILE Failed to open ./fifo: it is a FIFO, not a file',
    );
    expect(failure(() => readText('/dev/zero', 9))).toMatch(/\/dev\/zero: it is a device, not a file$/);
    expect(failure(() => readText(at('socket'), 9))).toMatch(/it is a socket, not a file$/);
    expect(failure(() => readText(folder, 9))).toMatch(/it is a directory, not a file$/);
    expect(failure(() => readText(at('none'), 9))).toMatch(/^ENOENT Failed to read \.\/none: ENOENT/);
  });

  it('regression: was read whole, however large', () => {
    writeFileSync(at('large'), '');
    truncateSync(at('large'), 20e9);
    const says = 'it is larger than 2 MiB, which is the limit';
    expect(failure(() => readText(at('large'), 2 << 20))).toBe(`EFBIG Failed to read ./large: ${says}`);
    // It states no size.
    expect(failure(() => readText('/proc/self/pagemap', 2 << 20))).toContain(says);
    const text = 'x'.repeat((1 << 20) + 1);
    writeFileSync(at('two'), text);
    expect(readText(at('two'), text.length)).toBe(text);
    expect(failure(() => readText(at('two'), text.length - 1))).toMatch(/^EFBIG /);
  });
});

describe('a file that is written', () => {
  it('is made, written anew, or written on', () => {
    writeFileSync(at('new'), 'two');
    closeSync(openToWrite(at('new'), 'a'));
    expect(readFileSync(at('new'), 'utf8')).toBe('two');
    closeSync(openToWrite(at('new')));
    expect(readFileSync(at('new'), 'utf8')).toBe('');
  });

  it('is refused where it would block, before the work and after it', () => {
    const refusal = 'it is a FIFO, not a file';
    expect(failure(() => openToWrite(at('fifo')))).toBe(`VPCI_NO_FILE Failed to create ./fifo: ${refusal}`);
    expect(failure(() => requireWritable(at('fifo'), 'x'))).toMatch(`Failed to write ./fifo: ${refusal}`);
    expect(failure(() => requireWritable('', 'the figures'))).toMatch(
      /^VPCI_USAGE Failed to write the figures: the name is empty$/,
    );
    expect(failure(() => requireWritable(at('none/x'), 'x'))).toMatch(/^ENOENT Failed to write/);
    requireWritable(at('another'), 'x');
    requireWritable('/dev/null', 'x');
  });
});

describe('a folder', () => {
  it('is made with those above it, and may be there', () => {
    makeFolder(at('a/b/c'));
    makeFolder(at('a/b/c'));
    expect(statSync(at('a/b/c')).isDirectory()).toBe(true);
  });

  it('is refused at once where there can be none', () => {
    expect(failure(() => makeFolder('/proc/none/x'))).toMatch(/^ENOENT Failed to create \/proc\/none\/x: /);
    expect(failure(() => makeFolder(at('file')))).toMatch(/create \.\/file: it is a file, not a directory$/);
    expect(failure(() => makeFolder(at('file/x')))).toMatch(/^ENOTDIR Failed to create/);
  });
});
