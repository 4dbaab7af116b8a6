// SPDX-License-Identifier: BSD-3-Clause
// The telemetry socket of this process, on its event loop: poll loops are in other threads and never wait
// for it.
import { unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { failedTo, PmdError } from '../errors.ts';
import { type FdWatcher, native } from '../native.ts';
import { TelemetryClient } from './client.ts';
import { CommandTable, type TelemetryCommand } from './commands.ts';
import { DEFAULT_PREFIX, makeRuntimeFolder, runtimeFolder, SOCKET_NAME } from './socket-path.ts';

/** More are closed at once, as by DPDK. */
const MAX_CLIENTS = 10;
/** Processes of one prefix. */
const MAX_INSTANCES = 100;
/** Pause when this process has no descriptor left: the socket stays readable meanwhile. */
const RETRY_MS = 100;
/** Connections taken before other work has its turn. */
const ACCEPTS = 16;

export interface TelemetryOptions {
  /** --file-prefix. */
  readonly prefix?: string;
  readonly commands: readonly TelemetryCommand[];
}

export class TelemetryServer {
  /** Of the socket. */
  readonly path: string;
  readonly #fd: number;
  #watcher: FdWatcher | null = null;
  #retry: NodeJS.Timeout | null = null;
  readonly #commands: CommandTable;
  readonly #clients = new Set<TelemetryClient>();
  readonly #atExit = () => this.#removeFile();
  #closed = false;

  /** Listens. Throws a PmdError if there is no place for the socket. */
  constructor({ prefix = DEFAULT_PREFIX, commands }: TelemetryOptions) {
    const folder = runtimeFolder(prefix);
    makeRuntimeFolder(folder);
    [this.#fd, this.path] = listen(folder);
    this.#commands = new CommandTable(commands);
    this.#watch();
    process.on('exit', this.#atExit);
  }

  /** May be called twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
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
      if (this.#clients.size >= MAX_CLIENTS) native.close(fd);
      else this.#welcome(fd);
    }
  }

  #welcome(fd: number): void {
    const client = new TelemetryClient(fd, this.#commands, (gone) => this.#clients.delete(gone));
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

  #removeFile(): void {
    try {
      unlinkSync(this.path);
    } catch {
      // Somebody else has removed it.
    }
  }
}

/** The first name of the prefix that no living process has. */
function listen(folder: string): [fd: number, path: string] {
  for (let instance = 0; instance < MAX_INSTANCES; instance++) {
    const path = join(folder, instance === 0 ? SOCKET_NAME : `${SOCKET_NAME}:${instance}`);
    try {
      return [native.unixListen(path, {}, true), path];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw failedTo(`listen on ${path}`, error);
    }
  }
  throw new PmdError(
    'EADDRINUSE',
    `Failed to listen in ${folder}: ${MAX_INSTANCES} processes do; choose another --file-prefix`,
  );
}
