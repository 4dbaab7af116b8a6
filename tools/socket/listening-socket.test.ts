// SPDX-License-Identifier: BSD-3-Clause
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native.ts';
import { ListeningSocket, socketMode, socketOwner } from './listening-socket.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vhost-pci-listen-'));
  path = join(folder, 'socket');
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const connects = () => {
  try {
    native.close(native.unixConnect(path));
    return true;
  } catch {
    return false;
  }
};

describe('a listening socket', () => {
  it('removes its file when it is closed', () => {
    const socket = new ListeningSocket(path);
    expect(connects()).toBe(true);
    socket.close();
    socket.close();
    expect(existsSync(path)).toBe(false);
  });

  it('regression: leaves the socket of another instance at its path alone', () => {
    const first = new ListeningSocket(path);
    rmSync(path);
    const second = new ListeningSocket(path);
    first.close();
    expect(connects()).toBe(true);
    second.close();
    expect(existsSync(path)).toBe(false);
  });

  it.each<[string, () => void]>([
    ['a file', () => writeFileSync(path, 'mine')],
    ['a link', () => symlinkSync('/etc/passwd', path)],
  ])('regression: leaves %s at its path alone', (_, make) => {
    const socket = new ListeningSocket(path);
    rmSync(path);
    make();
    socket.close();
    expect(existsSync(path)).toBe(true);
  });

  it.each([0o600, 0o660, 0o666, 0o777])('regression: has mode %o whatever the umask', (mode) => {
    for (const umask of [0, 0o022, 0o077]) {
      const before = process.umask(umask);
      const socket = new ListeningSocket(path, { mode });
      process.umask(before);
      expect(statSync(path).mode & 0o777).toBe(mode);
      socket.close();
    }
  });

  it.runIf(process.getuid?.() === 0)('regression: has the requested owner: user, group or both', () => {
    for (const [text, uid, gid] of [
      ['1234:2345', 1234, 2345],
      [':2345', 0, 2345],
      ['1234', 1234, statSync(folder).gid],
      ['root:root', 0, 0],
    ] as const) {
      const socket = new ListeningSocket(path, { mode: 0o660, ...socketOwner(text) });
      expect(statSync(path)).toMatchObject({ uid, gid });
      expect(statSync(path).mode & 0o777).toBe(0o660);
      socket.close();
    }
  });

  it.each<[string, () => void, RegExp]>([
    ['a file', () => writeFileSync(path, 'mine'), /it is a regular file, not a socket/],
    ['a directory', () => mkdirSync(path), /it is a directory, not a socket/],
    ['a link', () => symlinkSync('/nowhere', path), /it is a symbolic link, not a socket/],
  ])('regression: says that %s is not a socket, and leaves it alone', (_, make, message) => {
    make();
    expect(() => new ListeningSocket(path)).toThrow(message);
    expect(lstatSync(path).isSocket()).toBe(false);
  });

  it('regression: says that another process listens there', () => {
    const first = new ListeningSocket(path);
    expect(() => new ListeningSocket(path)).toThrow(
      expect.objectContaining({
        code: 'EADDRINUSE',
        message: `Failed to listen on ${path}: another process listens there, probably a device model that is still running: stop it, or choose another path`,
      }),
    );
    first.close();
  });

  it('says what is wrong with its path', () => {
    expect(() => new ListeningSocket(join(folder, 'no', 'such'))).toThrow(/^Failed to listen on .*no\/such/);
  });
});

describe('the options for it', () => {
  it.each(['', '8', '66', '0888', '1777', '04755', 'rw', '-1'])('refuse the mode %j', (text) => {
    expect(() => socketMode(text)).toThrow('octal');
  });

  it.each(['', ':', 'a:b:c', 'root:'])('refuse the owner %j', (text) => {
    expect(() => socketOwner(text)).toThrow('USER');
  });

  it('refuse a user or group that does not exist, by name', () => {
    expect(() => socketOwner('no-such-user')).toThrow("There is no user 'no-such-user'.");
    expect(() => socketOwner(':no-such-group')).toThrow("There is no group 'no-such-group'.");
    expect(() => socketOwner('4294967295')).toThrow("There is no user '4294967295'.");
  });
});
