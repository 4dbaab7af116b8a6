// SPDX-License-Identifier: BSD-3-Clause
// The road to the peer: one vhost-user connection at a time, by listening (server mode) or by connecting again and again
// (client mode).
import { native } from '../../src/native.ts';
import { closeQuietly } from './fds.ts';
import { after, faultReason, type Timer } from './guard.ts';
import { Listener } from './listener.ts';
import type { Log } from './log.ts';

export type VhostUserMode = 'server' | 'client';

const RECONNECT_MS = 200;

export class PeerLink {
  readonly #path: string;
  readonly #mode: VhostUserMode;
  readonly #log: Log;
  /** Takes the connected socket; false when there is a peer already. */
  readonly #onConnected: (fd: number) => boolean;
  #listener: Listener | null = null;
  #retry: Timer | null = null;
  #waiting = false;
  #closed = false;

  constructor(path: string, mode: VhostUserMode, onConnected: (fd: number) => boolean, log: Log) {
    this.#path = path;
    this.#mode = mode;
    this.#onConnected = onConnected;
    this.#log = log;
  }

  /** Throws when a server socket cannot be made; a client waits for its server. */
  open(): void {
    if (this.#mode === 'server') this.#listener = new Listener(this.#path, (fd) => this.#take(fd), this.#log);
    else this.#connect();
  }

  /** The connection ended. */
  lost(): void {
    if (this.#mode === 'client') this.#connectLater();
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#listener?.close();
  }

  #take(fd: number): void {
    if (this.#onConnected(fd)) return;
    this.#log.event('another peer refused: one at a time');
    closeQuietly(fd);
  }

  #connect(): void {
    if (this.#closed) return;
    let fd: number;
    try {
      fd = native.unixConnect(this.#path);
    } catch (error) {
      if (!this.#waiting)
        this.#log.event(`waiting for a peer at ${this.#path} (${(error as NodeJS.ErrnoException).code})`);
      this.#waiting = true;
      this.#connectLater();
      return;
    }
    this.#waiting = false;
    try {
      this.#take(fd);
    } catch (error) {
      closeQuietly(fd);
      throw error;
    }
  }

  #connectLater(): void {
    if (this.#closed) return;
    this.#retry = after(
      RECONNECT_MS,
      () => this.#connect(),
      (error) => {
        this.#log.event(`the connection to ${this.#path} is dropped: ${faultReason(error)}`);
        this.#connectLater();
      },
    );
  }
}
