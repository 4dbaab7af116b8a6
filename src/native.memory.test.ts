// SPDX-License-Identifier: BSD-3-Clause
// The addon's memory and descriptor functions: memory files, mappings, and their lifetime across threads.
import { spawnSync } from 'node:child_process';
import {
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { holeLimitMissing } from '../test/support/memory-group.ts';
import { addonWorker, codeOf, nextMessage } from './native.test-help.ts';
import { type MappingHandle, native } from './native.ts';

const folder = mkdtempSync(join(tmpdir(), 'vpci-memory-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PAGE = 4096;
const HUGE = 2 << 20;
const freeHugePages = Number(/HugePages_Free:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0);

function withMemfd(size: number, use: (fd: number) => void): void {
  const fd = native.memfdCreate('vpci-test', size, false);
  try {
    use(fd);
  } finally {
    native.close(fd);
  }
}

/** F_GET_SEALS, as text: F_SEAL_SEAL 1, F_SEAL_SHRINK 2, F_SEAL_GROW 4. */
const sealsOf = (fd: number): string =>
  spawnSync('python3', ['-c', 'import fcntl; print(fcntl.fcntl(3, 1034))'], {
    stdio: ['ignore', 'pipe', 'inherit', fd],
    encoding: 'utf8',
  }).stdout.trim();

describe('memory files', () => {
  test('a memory file is a regular file of whole pages that can neither shrink nor grow', () => {
    withMemfd(PAGE + 1, (fd) => {
      expect(native.fileInfo(fd)).toMatchObject({ regular: true, size: 2 * PAGE });
      expect(() => ftruncateSync(fd, PAGE)).toThrow(expect.objectContaining({ code: 'EPERM' }));
      expect(() => ftruncateSync(fd, 3 * PAGE)).toThrow(expect.objectContaining({ code: 'EPERM' }));
      expect(native.filePageSize(fd)).toBe(PAGE);
      expect(sealsOf(fd)).toBe('7');
    });
  });

  test('more hugepages than available is ENOMEM and leaks no descriptor', () => {
    const before = readdirSync('/proc/self/fd').length;
    expect(codeOf(() => native.memfdCreate('vpci-test', 2 ** 40, true))).toBe('ENOMEM');
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });

  test.runIf(freeHugePages > 0)('a part of a hugepage file is mapped and unmapped as whole hugepages', () => {
    const fd = native.memfdCreate('vpci-test', 1, true);
    expect(native.fileInfo(fd).size).toBe(HUGE);
    expect(native.filePageSize(fd)).toBe(HUGE);
    const mapping = native.mapFd(fd, 0, PAGE, true);
    const bytes = new Uint8Array(native.mappingBuffer(mapping));
    expect(bytes.length).toBe(PAGE);
    bytes[PAGE - 1] = 1;
    native.unmap(mapping);
    native.close(fd);
  });

  test('fileInfo distinguishes files from others, and returns one identity for all descriptors of a file', () => {
    withMemfd(PAGE, (fd) => {
      const copy = native.dup(fd);
      expect(native.fileInfo(copy)).toEqual(native.fileInfo(fd));
      native.close(copy);
    });
    const event = native.eventfd();
    expect(native.fileInfo(event).regular).toBe(false);
    native.close(event);
  });

  test('a closed descriptor is EBADF everywhere', () => {
    const fd = native.eventfd();
    native.close(fd);
    for (const use of [native.close, native.dup, native.fileInfo, native.filePageSize, native.eventfdDrain]) {
      expect(codeOf(() => use(fd))).toBe('EBADF');
    }
    expect(codeOf(() => native.mapFd(fd, 0, PAGE, true))).toBe('EBADF');
    expect(codeOf(() => native.pollFd(fd, 'in', 0))).toBe('EBADF');
  });

  test('an error names code, number and system call', () => {
    expect(() => native.fileInfo(1_000_000)).toThrow(
      expect.objectContaining({
        code: 'EBADF',
        errno: -9,
        syscall: 'fstat',
        message: 'EBADF: Bad file descriptor, fstat',
      }),
    );
  });
});

describe('mappings', () => {
  test('two mappings of one file show the same bytes, each from its offset', () => {
    withMemfd(2 * PAGE, (fd) => {
      const whole = native.mapFd(fd, 0, 2 * PAGE, true);
      const second = native.mapFd(fd, PAGE, PAGE, false);
      new Uint8Array(native.mappingBuffer(whole))[PAGE + 3] = 42;
      expect(new Uint8Array(native.mappingBuffer(second))[3]).toBe(42);
      native.unmap(whole);
      native.unmap(second);
    });
  });

  test('a mapping outlives its descriptor', () => {
    const fd = native.memfdCreate('vpci-test', PAGE, false);
    const mapping = native.mapFd(fd, 0, PAGE, true);
    native.close(fd);
    expect(new Uint8Array(native.mappingBuffer(mapping))[0]).toBe(0);
    native.unmap(mapping);
  });

  test('mapping beyond the end of a file is ERANGE, at a misaligned offset EINVAL', () => {
    withMemfd(2 * PAGE, (fd) => {
      expect(codeOf(() => native.mapFd(fd, 0, 2 * PAGE + 1, true))).toBe('ERANGE');
      expect(codeOf(() => native.mapFd(fd, 3 * PAGE, PAGE, true))).toBe('ERANGE');
      expect(codeOf(() => native.mapFd(fd, PAGE, Number.MAX_SAFE_INTEGER, true))).toBe('ERANGE');
      expect(codeOf(() => native.mapFd(fd, 100, PAGE, true))).toBe('EINVAL');
    });
  });

  test('a file opened for reading cannot be mapped writable', () => {
    const path = join(folder, 'read-only');
    writeFileSync(path, Buffer.alloc(PAGE, 7));
    const fd = openSync(path, 'r');
    expect(codeOf(() => native.mapFd(fd, 0, PAGE, true))).toBe('EACCES');
    const mapping = native.mapFd(fd, 0, PAGE, false);
    expect(new Uint8Array(native.mappingBuffer(mapping))[9]).toBe(7);
    native.unmap(mapping);
    native.close(fd);
  });

  test.each([false, true])(
    'anonymous memory is zero and writable, with hugepages wanted: %s',
    (hugepages) => {
      const mapping = native.mapAnonymous(3 * PAGE, hugepages);
      const bytes = new Uint8Array(native.mappingBuffer(mapping));
      expect(bytes.length).toBe(3 * PAGE);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
      bytes.fill(255);
      native.unmap(mapping);
    },
  );

  test('unmap detaches the one buffer of the mapping, and the handle is dead', () => {
    const mapping = native.mapAnonymous(PAGE, false);
    const buffer = native.mappingBuffer(mapping);
    expect(native.mappingBuffer(mapping)).toBe(buffer);
    const bytes = new Uint8Array(buffer);
    native.unmap(mapping);
    expect(bytes.length).toBe(0);
    expect(() => native.mappingBuffer(mapping)).toThrow(RangeError);
    expect(() => native.unmap(mapping)).toThrow(RangeError);
    const next = native.mapAnonymous(PAGE, false);
    expect(next).not.toBe(mapping);
    native.unmap(next);
  });

  test('a mapping too large for an ArrayBuffer is mapped but has no buffer', () => {
    withMemfd(5 * 2 ** 30, (fd) => {
      const mapping = native.mapFd(fd, 0, 5 * 2 ** 30, true);
      expect(() => native.mappingBuffer(mapping)).toThrow(RangeError);
      native.unmap(mapping);
    });
  });

  test('a worker sees the mapping, and is refused once it is gone', async () => {
    const mapping = native.mapAnonymous(PAGE, false);
    const bytes = new Uint8Array(native.mappingBuffer(mapping));
    const worker = addonWorker(
      `const bytes = new Uint8Array(native.mappingBuffer(workerData.mapping));
       bytes[5] = 77;
       parentPort.postMessage(bytes.length);
       parentPort.once('message', () => {
         let refused = false;
         try { native.mappingBuffer(workerData.mapping); } catch (error) { refused = error instanceof RangeError; }
         parentPort.postMessage({ refused, length: bytes.length });
       });`,
      { mapping },
    );
    expect(await nextMessage(worker)).toBe(PAGE);
    expect(bytes[5]).toBe(77);
    native.unmap(mapping);
    worker.postMessage('unmapped');
    expect(await nextMessage(worker)).toEqual({ refused: true, length: 0 });
    await worker.terminate();
  });

  test('wrong arguments are reported by name', () => {
    const any = native as unknown as Record<string, (...args: unknown[]) => unknown>;
    expect(() => any.mapFd?.()).toThrow(new TypeError('fd must be an integer, not undefined'));
    expect(() => any.mapFd?.(0, 0, '1', true)).toThrow(
      new TypeError('length must be an integer, not a string'),
    );
    expect(() => any.mapFd?.(0, -1, 1, true)).toThrow(RangeError);
    expect(() => any.mapFd?.(0, 0, 1.5, true)).toThrow(/^length must be an integer from 1 to .*, not 1\.5$/);
    expect(() => any.mapFd?.(0, 0, Number.NaN, true)).toThrow(RangeError);
    expect(() => any.mapFd?.(0, 0, 1, 1)).toThrow(new TypeError('writable must be a boolean, not a number'));
    expect(() => any.close?.(-1)).toThrow(RangeError);
    expect(() => any.memfdCreate?.('a\0b', 1, false)).toThrow(RangeError);
    expect(() => native.unmap(0 as MappingHandle)).toThrow(RangeError);
  });
});

/** Runs a program with `native` in a process of its own; returns its exit status and output. */
function inProcess(body: string): { status: number | null; signal: string | null; stdout: string } {
  const path = join(folder, 'program.ts');
  const native = JSON.stringify(new URL('./native.ts', import.meta.url).href);
  writeFileSync(path, `import { native } from ${native};\n${body}`);
  const { status, signal, stdout } = spawnSync(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), path],
    { encoding: 'utf8' },
  );
  return { status, signal, stdout };
}

describe('a mapped file that is shrunk', () => {
  /** With a file of two mapped pages. */
  const inChild = (body: string) =>
    inProcess(`
      import { closeSync, ftruncateSync, openSync, writeFileSync } from 'node:fs';
      const file = ${JSON.stringify(join(folder, 'shrinks'))};
      writeFileSync(file, Buffer.alloc(${2 * PAGE}, 7));
      const fd = openSync(file, 'r+');
      const mapping = native.mapFd(fd, 0, ${2 * PAGE}, true);
      const bytes = new Uint8Array(native.mappingBuffer(mapping));
      ${body}`);

  test('regression: reads as zeros and accepts writes, and the process survives', () => {
    const { status, signal, stdout } = inChild(`
      ftruncateSync(fd, 0);
      bytes[${PAGE}] = 5;
      console.log(bytes[0], bytes[${PAGE}]);
      native.unmap(mapping);`);
    expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: '0 5\n' });
  });

  test('regression: leaves another mapping of the process alone', () => {
    const { status, stdout } = inChild(`
      const other = native.memfdCreate('vpci-test', ${PAGE}, false);
      const second = native.mapFd(other, 0, ${PAGE}, true);
      new Uint8Array(native.mappingBuffer(second))[0] = 9;
      ftruncateSync(fd, 0);
      console.log(bytes[0], new Uint8Array(native.mappingBuffer(second))[0]);`);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '0 9\n' });
  });
});

describe('a mapped file with holes', () => {
  const noLimit = holeLimitMissing();
  if (noLimit) console.warn(`The tests of missing pages are skipped: ${noLimit}`);

  /**
   * With a one-terabyte file without pages, of which `pages` may be allocated; `touch` reads or writes page
   * i.
   */
  const inChild = (pages: number, body: string) =>
    inProcess(`
      import { fstatSync } from 'node:fs';
      const fd = native.memfdCreate('sparse', 2 ** 40, false);
      const mapping = native.mapFd(fd, 0, 2 ** 40, true);
      native.limitHoles(mapping, ${pages * PAGE});
      const event = native.eventfd();
      native.notifyLoss(mapping, event);
      const page = (i) => new Uint8Array(native.mappingWindow(mapping, Math.floor(i / 2 ** 19)), (i % 2 ** 19) * ${PAGE}, ${PAGE});
      const made = () => fstatSync(fd).blocks * 512 / ${PAGE};
      const state = () => native.mappingState(mapping).loss + ' ' + native.mappingState(mapping).filled / ${PAGE};
      const kib = (name) => Number(new RegExp(name + ':\\\\s+(\\\\d+)').exec(readFileSync('/proc/self/status', 'utf8'))[1]);
      import { readFileSync } from 'node:fs';
      ${body}
      native.unmap(mapping);`);

  test('is a file in memory, not on a disk', () => {
    withMemfd(PAGE, (fd) => {
      const mapping = native.mapFd(fd, 0, PAGE, true);
      expect(native.mappingIsSparse(mapping)).toBe(true);
      native.unmap(mapping);
    });
    const mapping = native.mapAnonymous(PAGE, false);
    expect(native.mappingIsSparse(mapping)).toBe(false);
    expect(codeOf(() => native.limitHoles(mapping, PAGE))).toBe('EINVAL');
    native.unmap(mapping);
  });

  test.skipIf(noLimit)('gets pages up to the limit, reads included, and turns into zeros afterwards', () => {
    const { status, stdout } = inChild(
      100,
      `let sum = 0;
       for (let i = 0; i < 99; i++) sum += page(7 * i)[0];
       page(2 ** 27)[5] = 9;
       console.log(sum, made(), state(), page(2 ** 27)[5], native.eventfdDrain(event));
       page(3)[5] = 8;
       console.log(made(), state(), page(2 ** 27)[5], page(3)[5], native.eventfdDrain(event));`,
    );
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: '0 100 none 100 9 0n\n100 over-limit 100 0 8 1n\n',
    });
  });

  test.skipIf(noLimit)('is not charged again for pages lost since', () => {
    const { status, stdout } = inChild(
      100,
      `import { execFileSync } from 'node:child_process';
       for (let round = 0; round < 5; round++) {
         for (let i = 0; i < 90; i++) page(i)[0] = 1;
         execFileSync('fallocate', ['--punch-hole', '--offset', '0', '--length', '${90 * PAGE}', '/proc/self/fd/3'], { stdio: ['ignore', 'ignore', 'inherit', fd] });
       }
       console.log(made(), state().split(' ')[0]);`,
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: '0 none\n' });
  });

  test.skipIf(noLimit)('is not charged for pages that are already allocated', () => {
    const { status, stdout } = inChild(
      1,
      `const other = native.mapFd(fd, 0, 2 ** 30, true);
       const bytes = new Uint8Array(native.mappingBuffer(other));
       for (let i = 0; i < 1000; i++) bytes[i * ${PAGE}] = 3;
       let sum = 0;
       for (let i = 0; i < 1000; i++) sum += page(i)[0];
       console.log(sum, state());
       native.unmap(other);`,
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: '3000 none 0\n' });
  });

  test.skipIf(noLimit)('regression: accepts writes everywhere without growth after its loss', () => {
    const { status, stdout } = inChild(
      1,
      `const before = kib('RssAnon');
       for (let i = 0; i < 100_000; i++) page(i)[0] = 1;
       console.log(state().split(' ')[0], kib('RssAnon') - before < 64 << 10, made());`,
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'over-limit true 1\n' });
  });

  test.skipIf(noLimit)('turns into zeros if it shrinks', () => {
    const { status, stdout } = inProcess(`
      import { ftruncateSync, openSync } from 'node:fs';
      const fd = openSync('/dev/shm/vpci-' + process.pid, 'w+');
      import { unlinkSync } from 'node:fs';
      unlinkSync('/dev/shm/vpci-' + process.pid);
      ftruncateSync(fd, 2 ** 30);
      const mapping = native.mapFd(fd, 0, 2 ** 30, true);
      native.limitHoles(mapping, 2 ** 20);
      const bytes = new Uint8Array(native.mappingBuffer(mapping));
      bytes[0] = 5;
      ftruncateSync(fd, 0);
      console.log(bytes[0], bytes[2 ** 29], native.mappingState(mapping).loss);`);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '0 0 shrunk\n' });
  });
});
