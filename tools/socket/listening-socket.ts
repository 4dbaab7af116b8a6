// SPDX-License-Identifier: BSD-3-Clause
// A listening UNIX socket and its file, with mode and owner; only the process that created the file removes
// it.
import { lstatSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { InvalidArgumentError, type OptionValues } from '@commander-js/extra-typings';
import { failedTo, PmdError } from '../../src/errors.ts';
import { native, type SocketAccess } from '../../src/native.ts';
import { socketPathFault } from '../../src/socket-path.ts';

interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

export class ListeningSocket {
  readonly fd: number;
  readonly #path: string;
  readonly #identity: Identity | null;
  #closed = false;

  /** `purpose` begins the text of an error: "Failed to listen on …". Throws PmdError. */
  constructor(path: string, access: SocketAccess = {}, purpose = 'listen on') {
    this.#path = path;
    try {
      this.fd = native.unixListen(path, access);
    } catch (error) {
      const action = `${purpose} ${path}`;
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw taken(action, path, error);
      throw failedTo(`${action}${ownerOf(access, error)}`, error);
    }
    this.#identity = identify(path);
  }

  /** Idempotent. Removes the file only if it is still ours: another instance may have taken the path. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // While the socket is open, no other file can have its inode number.
    const now = identify(this.#path);
    if (now && now.dev === this.#identity?.dev && now.ino === this.#identity.ino) removeQuietly(this.#path);
    native.close(this.fd);
  }
}

/** Parses an option that is the path of a socket. */
export function socketPath(text: string): string {
  const fault = text === '' ? 'expected the path of a socket' : socketPathFault(text);
  if (fault !== null) throw new InvalidArgumentError(`${fault.charAt(0).toUpperCase()}${fault.slice(1)}.`);
  return text;
}

/** --socket-mode: permission bits in octal. */
export function socketMode(text: string): number {
  if (!/^[0-7]{3,4}$/.test(text) || Number.parseInt(text, 8) > 0o777)
    throw new InvalidArgumentError('Expected an octal mode, such as 0660.');
  return Number.parseInt(text, 8);
}

/** --socket-owner: USER, USER:GROUP or :GROUP, names or numbers. */
export function socketOwner(text: string): Pick<SocketAccess, 'uid' | 'gid'> {
  const [, user, group] = /^([^:]*)(?::([^:]+))?$/.exec(text) ?? [];
  if (user === undefined || (user === '' && group === undefined))
    throw new InvalidArgumentError('Expected USER, USER:GROUP or :GROUP, as names or numbers.');
  return {
    ...(user === '' ? {} : { uid: idOf(user, 'user', native.userId) }),
    ...(group === undefined ? {} : { gid: idOf(group, 'group', native.groupId) }),
  };
}

/** Combines --socket-mode and --socket-owner. */
export function socketAccess(options: OptionValues): SocketAccess {
  const { socketMode: mode, socketOwner: owner } = options as {
    socketMode?: number;
    socketOwner?: SocketAccess;
  };
  return { ...(mode === undefined ? {} : { mode }), ...owner };
}

function idOf(name: string, kind: string, find: (name: string) => number): number {
  const id = /^\d+$/.test(name) ? Number(name) : find(name);
  if (id < 0 || id >= 0xffff_ffff) throw new InvalidArgumentError(`There is no ${kind} '${name}'.`);
  return id;
}

function ownerOf({ uid, gid }: SocketAccess, error: unknown): string {
  const denied =
    (error as NodeJS.ErrnoException).code === 'EPERM' && (uid !== undefined || gid !== undefined);
  return denied ? ` for owner ${uid ?? ''}${gid === undefined ? '' : `:${gid}`}` : '';
}

/** The error for a path in use: says by what. */
function taken(action: string, path: string, cause: unknown): PmdError {
  const what = occupant(path);
  return new PmdError('EADDRINUSE', `Failed to ${action}: ${what}, or choose another path`, { cause });
}

function occupant(path: string): string {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file && !file.isSocket()) return `it is ${kindOf(file)}, not a socket: remove it`;
  try {
    native.close(native.unixConnect(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ECONNREFUSED') return 'it is a stale socket that this user may not remove: remove it';
    if (code === 'EACCES')
      return "it is another user's socket: stop the process that listens on it, remove it";
  }
  return 'another process listens there, probably a device model that is still running: stop it';
}

/** True if the path is a file other than a socket; follows links. */
export function isOtherFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isSocket() === false;
  } catch {
    return false;
  }
}

function kindOf(file: Stats): string {
  if (file.isDirectory()) return 'a directory';
  if (file.isSymbolicLink()) return 'a symbolic link';
  return file.isFile() ? 'a regular file' : 'a special file';
}

function identify(path: string): Identity | null {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Another process removed it first, or the directory is no longer ours.
  }
}
