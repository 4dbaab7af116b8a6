// SPDX-License-Identifier: BSD-3-Clause
// The connection to the peer, one at a time: listens (server mode) or connects and reconnects (client mode).
import { native, type SocketAccess } from '../../../src/native.ts';
import { closeQuietly, ownedBy } from '../../socket/fds.ts';
import { after, faultReason, soon, type Timer } from '../../socket/guard.ts';
import { isOtherFile } from '../../socket/listening-socket.ts';
import type { Log } from '../log.ts';
import { SocketListener } from '../socket/listener.ts';
import { WaitingRoom } from '../socket/waiting-room.ts';

export type VhostUserMode = 'server' | 'client';

/**
 * The decision on a new connection: 'taken', 'wait' while the current client has not introduced itself, or
 * 'refused'.
 */
export type Admission = 'taken' | 'wait' | 'refused';

const RECONNECT_MS = 200;

export class PeerLink {
  readonly #path: string;
  readonly #mode: VhostUserMode;
  readonly #log: Log;
  /** Takes the connected socket unless there is another peer. */
  readonly #onConnected: (fd: number) => Admission;
  readonly #access: SocketAccess;
  readonly #room = new WaitingRoom();
  #listener: SocketListener | null = null;
  #retry: Timer | null = null;
  #waiting = false;
  #closed = false;

  constructor(
    path: string,
    mode: VhostUserMode,
    access: SocketAccess,
    onConnected: (fd: number) => Admission,
    log: Log,
  ) {
    this.#path = path;
    this.#mode = mode;
    this.#access = access;
    this.#onConnected = onConnected;
    this.#log = log;
  }

  /** Throws when a server socket cannot be created; a client waits for its server. */
  open(): void {
    if (this.#mode === 'server')
      this.#listener = new SocketListener(this.#path, this.#access, (fd) => this.#take(fd), this.#log);
    else this.#connect();
  }

  /** The connection ended. */
  lost(): void {
    if (this.#mode === 'client') this.#connectLater();
    // After the previous connection has been cleaned up.
    else
      soon(
        () => this.#takeNext(),
        (error) => this.#log.event(`dropped the next peer: ${faultReason(error)}`),
      );
  }

  /** The peer has introduced itself: refuses the connections that wait for its place. */
  settled(): void {
    for (const fd of this.#room.clear()) this.#refuse(fd);
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#listener?.close();
    for (const fd of this.#room.clear()) closeQuietly(fd);
  }

  #take(fd: number): void {
    const admission = this.#onConnected(fd);
    if (admission === 'taken' || (admission === 'wait' && this.#room.add(fd))) return;
    this.#refuse(fd);
  }

  #takeNext(): void {
    const fd = this.#closed ? null : this.#room.next();
    if (fd !== null) ownedBy(fd, () => this.#take(fd));
  }

  #refuse(fd: number): void {
    this.#log.event('another peer refused: only one at a time');
    closeQuietly(fd);
  }

  #connect(): void {
    if (this.#closed) return;
    let fd: number;
    try {
      fd = native.unixConnect(this.#path);
    } catch (error) {
      if (!this.#waiting) this.#log.event(`waiting for a peer at ${this.#path} (${this.#why(error)})`);
      this.#waiting = true;
      this.#connectLater();
      return;
    }
    this.#waiting = false;
    ownedBy(fd, () => this.#take(fd));
  }

  /** Why no peer can be reached: what to do about it, where the code says enough. */
  #why(error: unknown): string {
    if (isOtherFile(this.#path)) return 'it is not a socket';
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'no such socket; is the peer running, as the server?';
    if (code === 'ECONNREFUSED') return 'connection refused; is the peer running, as the server?';
    return message;
  }

  #connectLater(): void {
    if (this.#closed) return;
    this.#retry = after(
      RECONNECT_MS,
      () => this.#connect(),
      (error) => {
        this.#log.event(`dropped the connection to ${this.#path}: ${faultReason(error)}`);
        this.#connectLater();
      },
    );
  }
}
