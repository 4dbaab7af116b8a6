// SPDX-License-Identifier: BSD-3-Clause
// A socket of messages and its clients, on the event loop of this process: poll loops are in other threads
// and never wait for it.
import { rmdirSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { type FdWatcher, native } from '../native.ts';
import { type Service, TelemetryClient } from './client.ts';
import { makePlace } from './places.ts';

/** As many as DPDK has. */
const MAX_CLIENTS = 10;
/** Pause when this process has no descriptor left: the socket stays readable meanwhile. */
const RETRY_MS = 100;
/** Connections taken before other work has its turn: fewer than places, so that each can ask meanwhile. */
const ACCEPTS = 8;

/** Paths of the sockets of this process. */
const own = new Set<string>();

/** True if `fd` is connected to a socket of this process, by whatever name. */
export const leadsBack = (fd: number): boolean => own.has(native.unixPeerPath(fd));

/** A socket and its clients. */
export class SocketServer {
  /** Of the socket. */
  readonly path: string;
  readonly #fd: number;
  #watcher: FdWatcher | null = null;
  #retry: NodeJS.Timeout | null = null;
  readonly #service: Service;
  readonly #clients = new Set<TelemetryClient>();
  readonly #atExit = () => this.#removeFile();
  #closed = false;

  /** Owns `fd`, which listens at `path`. */
  constructor(fd: number, path: string, service: Service) {
    this.#fd = fd;
    this.path = path;
    this.#service = service;
    own.add(path);
    this.#watch();
    process.on('exit', this.#atExit);
  }

  /** May be called twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    own.delete(this.path);
    process.off('exit', this.#atExit);
    this.#watcher?.close();
    if (this.#retry) clearTimeout(this.#retry);
    this.#removeFile();
    native.close(this.#fd);
    for (const client of [...this.#clients]) client.close();
  }

  #accept(): void {
    for (let i = 0; i < ACCEPTS; i++) {
      const fd = this.#next();
      if (fd < 0) return;
      this.adopt(fd, this.#service);
    }
  }

  /** Serves a connection, which it owns; closed at once if all places are in use. */
  adopt(fd: number, service: Service): void {
    if (!makePlace(this.#clients, MAX_CLIENTS)) {
      native.close(fd);
      return;
    }
    const client = new TelemetryClient(fd, service, (gone) => this.#clients.delete(gone));
    if (!client.closed) this.#clients.add(client);
  }

  /** -1 for none, or if this process is out of descriptors: then the clients wait. */
  #next(): number {
    try {
      return native.unixAccept(this.#fd);
    } catch {
      this.#watcher?.close();
      this.#watcher = null;
      this.#retry = setTimeout(() => this.#watch(), RETRY_MS);
      this.#retry.unref();
      return -1;
    }
  }

  #watch(): void {
    this.#watcher = native.watchFd(this.#fd, () => this.#accept());
    this.#watcher.unref();
  }

  /** And the folder with the last socket in it: that of a prefix that nobody uses any more. */
  #removeFile(): void {
    quietly(() => unlinkSync(this.path));
    quietly(() => rmdirSync(dirname(this.path)));
  }
}

/** Somebody else has removed it, or something else is in the folder. */
function quietly(remove: () => void): void {
  try {
    remove();
  } catch {}
}
