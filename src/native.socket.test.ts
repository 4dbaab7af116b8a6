// SPDX-License-Identifier: BSD-3-Clause
// The addon's unix sockets: connecting, messages with descriptors, and surplus descriptors.
import { mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../test/support/wait.ts';
import { codeOf, openFds } from './native.test-help.ts';
import { native } from './native.ts';

const folder = mkdtempSync(join(tmpdir(), 'vpci-socket-'));
afterAll(() => rmSync(folder, { recursive: true }));

const flagsOf = (fd: number) =>
  Number.parseInt(/flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '', 8);
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

function expectNonBlockingCloexec(fd: number): void {
  expect(flagsOf(fd) & (O_NONBLOCK | O_CLOEXEC)).toBe(O_NONBLOCK | O_CLOEXEC);
}

describe('paths', () => {
  test('a client connects, both ends are non-blocking and close-on-exec', () => {
    const path = join(folder, 'connect');
    const server = native.unixListen(path);
    expect(native.unixAccept(server)).toBe(-1);
    expect(native.pollFd(server, 'in', 0)).toBe(false);
    const client = native.unixConnect(path);
    expect(native.pollFd(server, 'in', 5000)).toBe(true);
    const accepted = native.unixAccept(server);
    for (const fd of [server, client, accepted]) {
      expectNonBlockingCloexec(fd);
      native.close(fd);
    }
  });

  test('a stale socket file is replaced', () => {
    const path = join(folder, 'stale');
    native.close(native.unixListen(path));
    expect(codeOf(() => native.unixConnect(path))).toBe('ECONNREFUSED');
    const server = native.unixListen(path);
    native.close(native.unixConnect(path));
    native.close(server);
  });

  test('a live socket is EADDRINUSE, keeps working, and no descriptor leaks', () => {
    const path = join(folder, 'live');
    const server = native.unixListen(path);
    const before = openFds();
    expect(() => native.unixListen(path)).toThrow(
      expect.objectContaining({ code: 'EADDRINUSE', syscall: 'listen', path }),
    );
    expect(openFds()).toBe(before);
    native.close(native.unixConnect(path));
    native.close(server);
  });

  test('a file that is not a socket is EADDRINUSE and stays', () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'precious');
    expect(codeOf(() => native.unixListen(path))).toBe('EADDRINUSE');
    expect(statSync(path).size).toBe(8);
  });

  test('a missing path is ENOENT with the path in the message, a long one ENAMETOOLONG', () => {
    const before = openFds();
    const path = join(folder, 'nobody');
    expect(() => native.unixConnect(path)).toThrow(
      expect.objectContaining({
        code: 'ENOENT',
        message: `ENOENT: No such file or directory, connect '${path}'`,
      }),
    );
    const long = `/tmp/${'x'.repeat(103)}`;
    expect(codeOf(() => native.unixConnect(long))).toBe('ENAMETOOLONG');
    expect(codeOf(() => native.unixListen(long))).toBe('ENAMETOOLONG');
    expect(codeOf(() => native.unixListen(join(folder, 'no-folder', 'socket')))).toBe('ENOENT');
    expect(() => native.unixListen('')).toThrow(RangeError);
    expect(openFds()).toBe(before);
  });
});

describe('messages', () => {
  let near = -1;
  let far = -1;
  beforeEach(() => {
    [near, far] = native.socketPair();
  });
  afterEach(() => {
    for (const fd of [near, far]) if (fd >= 0) native.close(fd);
  });

  const into = new Uint8Array(64);

  test('bytes and descriptors travel both ways', () => {
    const memory = native.memfdCreate('vpci-test', 4096, false);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      expect(native.sendMessage(from, new Uint8Array([1, 2, 3]), [memory])).toBe(3);
      const message = native.receiveMessage(to, into, 8);
      expect(message).toMatchObject({ bytes: 3, fdsTruncated: false });
      expect([...into.subarray(0, 3)]).toEqual([1, 2, 3]);
      const [received = -1] = message?.fds ?? [];
      expect(native.fileInfo(received)).toEqual(native.fileInfo(memory));
      expect(flagsOf(received) & O_CLOEXEC).toBe(O_CLOEXEC);
      native.close(received);
    }
    native.close(memory);
  });

  test('no data is null, a closed other side is 0 bytes', () => {
    expect(native.receiveMessage(near, into, 0)).toBeNull();
    native.close(far);
    far = -1;
    expect(native.receiveMessage(near, into, 0)).toEqual({ bytes: 0, fds: [], fdsTruncated: false });
  });

  test.each([0, 1, 2, 3])('descriptors beyond maxFds = %i are closed and reported', (maxFds) => {
    const event = native.eventfd();
    native.sendMessage(near, new Uint8Array(1), new Array(5).fill(event));
    const before = openFds();
    const message = native.receiveMessage(far, into, maxFds);
    expect(message?.fds.length).toBe(maxFds);
    expect(message?.fdsTruncated).toBe(true);
    expect(openFds()).toBe(before + maxFds);
    for (const fd of [...(message?.fds ?? []), event]) native.close(fd);
  });

  test('however many files are closed at once, none stays open', async () => {
    const before = openFds();
    const files = Array.from({ length: 500 }, () => openSync('/dev/null', 'r'));
    for (const fd of files) native.closeForeign(fd);
    await until('all are closed', () => openFds() === before);
  });

  test('64 descriptors fit into a message, 65 are refused before anything is sent', () => {
    const event = native.eventfd();
    expect(() => native.sendMessage(near, new Uint8Array(1), new Array(65).fill(event))).toThrow(RangeError);
    expect(native.receiveMessage(far, into, 64)).toBeNull();
    native.sendMessage(near, new Uint8Array(1), new Array(64).fill(event));
    const message = native.receiveMessage(far, into, 64);
    expect(message).toMatchObject({ bytes: 1, fdsTruncated: false });
    expect(message?.fds.length).toBe(64);
    for (const fd of [...(message?.fds ?? []), event]) native.close(fd);
  });

  test('a bad descriptor in the list is EBADF and sends nothing', () => {
    expect(codeOf(() => native.sendMessage(near, new Uint8Array(1), [1_000_000]))).toBe('EBADF');
    expect(native.receiveMessage(far, into, 0)).toBeNull();
  });

  test('a full socket takes a part, then 0, and everything arrives in order', () => {
    const data = new Uint8Array(4 << 20).map((_, i) => i % 251);
    const got = new Uint8Array(data.length);
    let sent = native.sendMessage(near, data, []);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(data.length);
    while (native.sendMessage(near, data.subarray(sent), []) > 0) sent = data.length + 1;
    if (sent > data.length) throw new Error('the socket took more after it was full');
    expect(native.pollFd(near, 'out', 0)).toBe(false);
    for (let received = 0; received < data.length; ) {
      received += native.receiveMessage(far, got.subarray(received), 0)?.bytes ?? 0;
      if (sent < data.length) sent += native.sendMessage(near, data.subarray(sent), []);
    }
    expect(Buffer.compare(got, data)).toBe(0);
  });

  test('sending to a closed peer throws EPIPE and the process survives', () => {
    native.close(far);
    far = -1;
    expect(codeOf(() => native.sendMessage(near, new Uint8Array(1), []))).toBe('EPIPE');
  });

  test('unread bytes do not hide that the other side is closed', () => {
    native.sendMessage(near, new Uint8Array(1), []);
    native.close(far);
    far = -1;
    expect(codeOf(() => native.receiveMessage(near, into, 0))).toBe('ECONNRESET');
    expect(native.receiveMessage(near, into, 0)?.bytes).toBe(0);
  });

  test('empty arrays, wrong kinds and too many descriptors are refused', () => {
    expect(() => native.sendMessage(near, new Uint8Array(0), [])).toThrow(RangeError);
    expect(() => native.receiveMessage(near, new Uint8Array(0), 0)).toThrow(RangeError);
    expect(() => native.receiveMessage(near, into, 65)).toThrow(RangeError);
    expect(() => native.sendMessage(near, 'text' as unknown as Uint8Array, [])).toThrow(TypeError);
    expect(() => native.sendMessage(near, new Uint16Array(1) as unknown as Uint8Array, [])).toThrow(
      TypeError,
    );
    expect(() => native.sendMessage(near, new Uint8Array(1), [-1])).toThrow(RangeError);
    expect(() => native.sendMessage(near, new Uint8Array(1), ['1'] as unknown as number[])).toThrow(
      TypeError,
    );
    expect(() => native.pollFd(near, 'both' as 'in', 0)).toThrow(RangeError);
  });

  test('an accessor that detaches the bytes while the arguments are read sends nothing', () => {
    const data = new Uint8Array(16);
    const fds: number[] = [];
    Object.defineProperty(fds, 0, {
      enumerable: true,
      get: () => {
        structuredClone(data, { transfer: [data.buffer] });
        return near;
      },
    });
    expect(() => native.sendMessage(near, data, fds)).toThrow(RangeError);
  });
});
