// SPDX-License-Identifier: BSD-3-Clause
// The socket at which programs such as vhost-pci-dumpcap ask for copies of packets, on the event loop of the
// process that has the ports. What they ask is checked; what they do with their memory hurts nobody else.
import { randomUUID } from 'node:crypto';
import { ports } from '../drivers/registry.ts';
import { native } from '../native.ts';
import { packageVersion } from '../package-root.ts';
import type { Answer, TelemetryClient } from '../telemetry/client.ts';
import { listenAs } from '../telemetry/listen.ts';
import { SocketServer } from '../telemetry/socket-server.ts';
import { Capture, ringsOf } from './capture.ts';
import {
  type Greeting,
  type ListedPort,
  MAX_REQUEST,
  PDUMP_SOCKET,
  PROTOCOL,
  type StartRequest,
} from './protocol.ts';
import { MAX_RING, MIN_RING, RING_DATA } from './ring.ts';

/** Bytes of all rings of this process whose queues are in use: a client must not eat its memory. */
const MAX_MEMORY = 1 << 29;
const MAX_SNAPLEN = 262_144;

/** What a request may say; anything else is refused. */
type Request = Readonly<Record<string, unknown>>;

class Refusal extends Error {}

export class PdumpServer {
  readonly path: string;
  readonly #server: SocketServer;
  /** By client, then by port. */
  readonly #captures = new Map<TelemetryClient, Map<number, Capture>>();

  /** Listens. Throws a PmdError if there is no place for the socket. */
  constructor(prefix: string) {
    const { fd, path } = listenAs(prefix, PDUMP_SOCKET);
    this.path = path;
    const greeting: Greeting = { protocol: PROTOCOL, pid: process.pid, version: packageVersion() };
    this.#server = new SocketServer(fd, path, {
      greeting: JSON.stringify(greeting),
      maxRequest: MAX_REQUEST,
      answer: (request, from) => this.#answer(request, from),
      isInUse: (client) => this.#isCapturing(client),
      gone: (client) => this.#gone(client),
    });
  }

  /** May be called twice. */
  close(): void {
    this.#server.close();
  }

  #answer(text: string, from: TelemetryClient): string | Answer {
    try {
      const request = JSON.parse(text) as Request;
      if (request?.command === 'start') return this.#start(request, from);
      return JSON.stringify(this.#plain(request, from));
    } catch (error) {
      return JSON.stringify({ error: (error as Error).message });
    }
  }

  #plain(request: Request, from: TelemetryClient): object {
    switch (request?.command) {
      case 'list':
        return ports().map(listed);
      case 'status':
        return this.#status(this.#captureOf(request, from));
      case 'stop':
        return this.#stop(request, from);
      default:
        throw new Refusal('unknown command');
    }
  }

  #start(request: Request, from: TelemetryClient): Answer {
    const { snaplen, ringBytes, filter } = startOf(request);
    const port = ports().find(({ id }) => id === request.port);
    if (!port) throw new Refusal(`there is no port ${request.port}`);
    if (this.#all().some((capture) => capture.port === port))
      throw new Refusal(`${port.info.name} is being captured already`);
    const { rings, used } = ringsOf(port, ringBytes, MAX_MEMORY);
    const fileBytes = rings.length * (RING_DATA + ringBytes);
    const usedBytes = used * (RING_DATA + ringBytes);
    const taken = this.#all().reduce((sum, { bytes }) => sum + bytes, 0);
    if (used === 0) throw new Refusal(`${port.info.name} has no queues`);
    if (taken + usedBytes > MAX_MEMORY)
      throw new Refusal(`rings of ${usedBytes} bytes are too much memory; ask for smaller ones (-N)`);
    const fd = native.memfdCreate(`capture-${randomUUID()}`, fileBytes, false);
    try {
      const capture = new Capture(
        port,
        fd,
        { rings, used },
        {
          snaplen,
          ringBytes,
          filter: Buffer.from(filter, 'base64'),
        },
      );
      const own = this.#captures.get(from) ?? new Map<number, Capture>();
      this.#captures.set(from, own.set(port.id, capture));
    } catch (error) {
      native.close(fd);
      throw error;
    }
    return { text: JSON.stringify({ rings, ringBytes, fileBytes }), fds: [fd] };
  }

  #status(capture: Capture): object {
    const gone = !ports().includes(capture.port);
    if (gone) capture.end();
    return { counts: capture.counts(), gone };
  }

  #stop(request: Request, from: TelemetryClient): object {
    const capture = this.#captureOf(request, from);
    const busy = !capture.end();
    const counts = capture.counts();
    if (!busy) this.#captures.get(from)?.delete(capture.port.id);
    return { counts, busy };
  }

  #captureOf({ port }: Request, from: TelemetryClient): Capture {
    const capture = this.#captures.get(from)?.get(port as number);
    if (!capture) throw new Refusal(`you do not capture port ${port}`);
    return capture;
  }

  /** A capture whose port is gone has ended, whether its program knows or not. */
  #isCapturing(client: TelemetryClient): boolean {
    const open = ports();
    return [...(this.#captures.get(client)?.values() ?? [])].some(({ port }) => open.includes(port));
  }

  #gone(client: TelemetryClient): void {
    for (const capture of this.#captures.get(client)?.values() ?? []) capture.abandon();
    this.#captures.delete(client);
  }

  #all(): Capture[] {
    return [...this.#captures.values()].flatMap((own) => [...own.values()]);
  }
}

const listed = (port: ReturnType<typeof ports>[number]): ListedPort => {
  const stats = port.stats();
  return {
    id: port.id,
    name: port.info.name,
    received: stats.ipackets,
    dropped: stats.imissed + stats.ierrors + stats.rxNombuf,
  };
};

const isWhole = (value: unknown, least: number, most: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;

function startOf({ port, snaplen, ringBytes, filter }: Request): Omit<StartRequest, 'command'> {
  if (!isWhole(port, 0, 0xffff)) throw new Refusal('port must be a number');
  if (!isWhole(snaplen, 1, MAX_SNAPLEN)) throw new Refusal(`snaplen must be from 1 to ${MAX_SNAPLEN}`);
  if (!isWhole(ringBytes, MIN_RING, MAX_RING) || (ringBytes & (ringBytes - 1)) !== 0)
    throw new Refusal(`ringBytes must be a power of two from ${MIN_RING} to ${MAX_RING}`);
  if (typeof filter !== 'string') throw new Refusal('filter must be text');
  return { port, snaplen, ringBytes, filter };
}
