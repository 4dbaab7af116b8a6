// SPDX-License-Identifier: BSD-3-Clause
// A listening UNIX socket on the event loop. Removes its socket file when it closes.
import { type FdWatcher, native, type SocketAccess } from '../../../src/native.ts';
import { closeQuietly } from '../../socket/fds.ts';
import { after, guarded, type Timer, watch } from '../../socket/guard.ts';
import { ListeningSocket } from '../../socket/listening-socket.ts';
import type { Log } from '../log.ts';

/**
 * Pause when the process is out of descriptors: the socket stays readable, and spinning would not free any.
 */
const RETRY_MS = 100;

export class SocketListener {
  readonly #socket: ListeningSocket;
  readonly #path: string;
  readonly #onConnection: (fd: number) => void;
  readonly #log: Log;
  #watcher: FdWatcher | null = null;
  #retry: Timer | null = null;
  #closed = false;

  /** `onConnection` owns the descriptor, unless it throws. Throws PmdError when the path cannot be used. */
  constructor(path: string, access: SocketAccess, onConnection: (fd: number) => void, log: Log) {
    this.#path = path;
    this.#onConnection = onConnection;
    this.#log = log;
    this.#socket = new ListeningSocket(path, access);
    this.#watch();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    this.#watcher?.close();
    this.#socket.close();
  }

  #watch(): void {
    if (this.#closed) return;
    this.#watcher = watch(
      this.#socket.fd,
      () => this.#accept(),
      (error) => this.#pause(error),
    );
  }

  #accept(): void {
    let fd: number;
    try {
      fd = native.unixAccept(this.#socket.fd);
    } catch (error) {
      this.#pause(error);
      return;
    }
    if (fd < 0) return;
    guarded(
      () => this.#onConnection(fd),
      (error) => {
        this.#log.event(`dropped a connection to ${this.#path}: ${(error as Error).message}`);
        closeQuietly(fd);
      },
    );
  }

  #pause(error: unknown): void {
    this.#log.event(`cannot accept on ${this.#path}: ${(error as Error).message}`);
    this.#watcher?.close();
    this.#watcher = null;
    this.#retry = after(
      RETRY_MS,
      () => this.#watch(),
      (again) => this.#pause(again),
    );
  }
}
