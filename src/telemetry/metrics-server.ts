// SPDX-License-Identifier: BSD-3-Clause
// --metrics: a page of OpenMetrics for Prometheus and whatever reads its format. It says what the telemetry
// socket says, to whoever can reach the address; so that is loopback unless it is named.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { failedTo, type PmdError } from '../errors.ts';
import { makePlace, type Occupant } from './places.ts';

export interface MetricsAddress {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

const LOOPBACK = '127.0.0.1';
const TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
/** A reader that asks slowly, or many of them, must not hold this process's descriptors. */
const MAX_CONNECTIONS = 16;
const TIMEOUT_MS = 5000;
const MAX_HEADERS = 8192;

/** `PORT`, `HOST:PORT` or `[IPV6]:PORT`; null for anything else. */
export function parseMetricsAddress(text: string): MetricsAddress | null {
  const [, ipv6, name, digits = ''] = /^(?:\[([^\]]+)\]:|([^:]+):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  return digits === '' || port > 65_535 ? null : { host: ipv6 ?? name ?? LOOPBACK, port };
}

/** What to do about an address that the kernel says is not there. */
export const addressAdvice = (host: string): string =>
  /^(127\.|::1$|localhost$)/.test(host)
    ? "is the loopback interface down? 'ip link set lo up'"
    : 'no interface that is up has this address';

function advised(error: PmdError, host: string): PmdError {
  if (error.code === 'EADDRNOTAVAIL') error.message += `; ${addressAdvice(host)}`;
  return error;
}

export class MetricsServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Serves `page` at /metrics. Throws a PmdError if the address cannot be used. */
  static async open({ host, port }: MetricsAddress, page: () => string): Promise<MetricsServer> {
    const readers = new Map<Socket, Reader>();
    const server = createServer({ maxHeaderSize: MAX_HEADERS }, (request, response) => {
      readers.get(request.socket)?.asked();
      answer(request, response, page);
    });
    server.on('connection', (socket) => admit(socket, readers));
    server.headersTimeout = server.requestTimeout = server.keepAliveTimeout = TIMEOUT_MS;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(advised(failedTo(`serve metrics on ${host}:${port}`, error), host)),
      );
      server.listen({ host, port }, resolve);
    });
    // What happens to a connection later concerns its reader alone.
    server.on('error', () => {});
    server.unref();
    return new MetricsServer(server);
  }

  /** "127.0.0.1:9464". */
  get address(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** A connection; one that has not sent a whole request has made none. */
class Reader implements Occupant {
  readonly #socket: Socket;
  readonly #left: () => void;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(socket: Socket, left: () => void) {
    this.#socket = socket;
    this.#left = left;
    socket.once('close', left);
  }

  asked(): void {
    this.#askedAt = performance.now();
  }

  idleFor(now: number): number {
    return now - this.#askedAt;
  }

  close(): void {
    this.#left();
    this.#socket.destroy();
  }
}

/** As a place for it is free, or becomes free. */
function admit(socket: Socket, readers: Map<Socket, Reader>): void {
  if (makePlace(readers, MAX_CONNECTIONS))
    readers.set(socket, new Reader(socket, () => readers.delete(socket)));
  else socket.destroy();
}

function answer({ method, url }: IncomingMessage, response: ServerResponse, page: () => string): void {
  const [path] = (url ?? '').split('?');
  if (method !== 'GET' && method !== 'HEAD') refuse(response, 405);
  else if (path !== '/metrics') refuse(response, 404);
  else response.writeHead(200, { 'Content-Type': TYPE }).end(method === 'HEAD' ? undefined : page());
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'Content-Type': 'text/plain', Connection: 'close' }).end();
}
