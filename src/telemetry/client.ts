// SPDX-License-Identifier: BSD-3-Clause
// One client of the telemetry socket. It may send anything at any speed and read nothing: at most one reply
// waits for it, and while that waits, its requests stay in the kernel.
import { type FdWatcher, native } from '../native.ts';
import { MAX_REQUEST } from './commands.ts';
import type { Occupant } from './places.ts';

/** Pause before a reply is tried again that found the client's queue full. */
const RETRY_MS = 20;

/** An answer that carries descriptors, which are closed once it is sent or cannot be. */
export interface Answer {
  readonly text: string;
  readonly fds: readonly number[];
}

/** What a protocol says to a client. */
export interface Service {
  /** The first message; null if the client speaks first. */
  readonly greeting: string | null;
  /** Bytes of a request that are read; those of telemetry by default. */
  readonly maxRequest?: number;
  /** The answer to a request; null for none. */
  answer(request: string, from: TelemetryClient): string | Answer | null;
  /** Whether the connection is in use though its client is silent; otherwise it may have to give way. */
  isInUse?(client: TelemetryClient): boolean;
  /** The connection is no more. */
  gone?(client: TelemetryClient): void;
}

export class TelemetryClient implements Occupant {
  readonly #fd: number;
  readonly #service: Service;
  readonly #onClosed: (client: TelemetryClient) => void;
  readonly #request: Buffer;
  #watcher: FdWatcher | null = null;
  #retry: NodeJS.Timeout | null = null;
  #closed = false;
  /** When its last request was read; null before the first. */
  #askedAt: number | null = null;
  /** The answer that waits, or is being sent. */
  #answer: Answer = { text: '', fds: [] };

  /** Owns the descriptor. */
  constructor(fd: number, service: Service, onClosed: (client: TelemetryClient) => void) {
    this.#fd = fd;
    this.#service = service;
    this.#onClosed = onClosed;
    this.#request = Buffer.alloc(service.maxRequest ?? MAX_REQUEST);
    if (service.greeting === null) this.#attempt(() => this.#listen());
    else this.#send(service.greeting);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** A request that waits behind an answer that is not read does not count: whoever reads nothing is idle. */
  idleFor(now: number): number {
    if (native.isHungUp(this.#fd)) return Number.POSITIVE_INFINITY;
    const isAsking = this.#watcher !== null && native.pollFd(this.#fd, 'in', 0);
    if (isAsking || this.#service.isInUse?.(this)) return 0;
    return this.#askedAt === null ? Number.POSITIVE_INFINITY : now - this.#askedAt;
  }

  /** May be called twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pause();
    if (this.#retry) clearTimeout(this.#retry);
    native.close(this.#fd);
    this.#closeSent();
    this.#service.gone?.(this);
    this.#onClosed(this);
  }

  #send(answer: string | Answer): void {
    this.#answer = typeof answer === 'string' ? { text: answer, fds: [] } : answer;
    this.#try();
  }

  #try(): void {
    this.#attempt(() => {
      const { text, fds } = this.#answer;
      if (native.sendMessage(this.#fd, Buffer.from(text), fds) > 0) {
        this.#closeSent();
        this.#listen();
      } else this.#later();
    });
  }

  #closeSent(): void {
    for (const fd of this.#answer.fds) native.close(fd);
    this.#answer = { text: '', fds: [] };
  }

  #later(): void {
    this.#pause();
    if (native.isHungUp(this.#fd)) {
      this.close();
      return;
    }
    this.#retry = setTimeout(() => this.#try(), RETRY_MS);
    this.#retry.unref();
  }

  #listen(): void {
    if (this.#watcher || this.#closed) return;
    this.#watcher = native.watchFd(this.#fd, () => this.#attempt(() => this.#read()));
    this.#watcher.unref();
  }

  #pause(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  /** One request a turn of the event loop, so that a flood leaves everybody else their turn. */
  #read(): void {
    const received = native.receiveMessage(this.#fd, this.#request, 0);
    if (received === null) return;
    // An empty message ends the connection, as its end does.
    if (received.bytes === 0) {
      this.close();
      return;
    }
    this.#askedAt = performance.now();
    const answer = this.#service.answer(this.#request.toString('utf8', 0, received.bytes), this);
    if (answer !== null) this.#send(answer);
  }

  /** A client that is gone ends this connection and nothing else. */
  #attempt(step: () => void): void {
    try {
      step();
    } catch {
      this.close();
    }
  }
}
