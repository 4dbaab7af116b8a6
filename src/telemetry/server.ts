// SPDX-License-Identifier: BSD-3-Clause
// The telemetry sockets of this process: version 2 and, where the name is free, the older one.
import { dirname, join } from 'node:path';
import { native } from '../native.ts';
import { CommandTable, type TelemetryCommand } from './commands.ts';
import { clientsOnly, LEGACY_NAME, type LegacyStats, legacyService } from './legacy.ts';
import { listenAs } from './listen.ts';
import { replyText } from './reply.ts';
import { DEFAULT_PREFIX, SOCKET_NAME } from './socket-path.ts';
import { SocketServer } from './socket-server.ts';

export interface TelemetryOptions {
  /** --file-prefix. */
  readonly prefix?: string;
  readonly commands: readonly TelemetryCommand[];
  /** What the older socket says; without it there is none. */
  readonly legacy?: LegacyStats;
}

export class TelemetryServer {
  /** Of the socket of version 2. */
  readonly path: string;
  readonly #servers: SocketServer[] = [];

  /** Listens. Throws a PmdError if there is no place for the socket. */
  constructor({ prefix = DEFAULT_PREFIX, commands, legacy }: TelemetryOptions) {
    const table = new CommandTable(commands);
    const { fd, path } = listenAs(prefix, SOCKET_NAME);
    this.path = path;
    const greeting = JSON.stringify(table.info());
    const answer = (request: string) => {
      const { key, value } = table.answer(request);
      return replyText(key, value);
    };
    this.#servers.push(new SocketServer(fd, path, { greeting, answer }));
    if (legacy) this.#openLegacy(join(dirname(path), LEGACY_NAME), legacy);
  }

  /** May be called twice. */
  close(): void {
    for (const server of this.#servers) server.close();
  }

  /** Only the first process of a prefix has it, as it has one name. */
  #openLegacy(path: string, stats: LegacyStats): void {
    let fd: number;
    try {
      fd = native.unixListen(path, {}, true);
    } catch {
      return;
    }
    const service = legacyService(stats, (client) => server.adopt(client, clientsOnly(service)));
    const server: SocketServer = new SocketServer(fd, path, service);
    this.#servers.push(server);
  }
}
