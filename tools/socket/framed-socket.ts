// SPDX-License-Identifier: BSD-3-Clause
// Framed messages with descriptors over a non-blocking stream socket.
//
// Contract: messages are delivered complete, one at a time and in order; the next one is not read while a
// handler's promise is pending, which puts back-pressure on a flooding peer. Every exit path closes the
// descriptors that the handler of a message left. A message must be completed within a time limit, or the
// connection ends.
import { type FdWatcher, native } from '../../src/native.ts';
import { Deadline } from './deadline.ts';
import { closeAll, endQuietly } from './fds.ts';
import { FrameReader, type Framing, type Message, StreamEnd } from './frame-reader.ts';
import { after, faultReason, guarded, settled, type Timer, watch } from './guard.ts';

export interface MessageHandlers {
  onMessage(message: Message): void | Promise<void>;
  /** Called once, whichever side closed. */
  onClosed(reason: string): void;
  /** onClosed threw; the error can only be logged. */
  onFault(error: unknown): void;
}

interface Outgoing {
  data: Uint8Array;
  /** Duplicates, closed once sent. */
  readonly fds: number[];
}

/** A flood must not starve the other sockets of the event loop. */
const MESSAGES_PER_WAKE = 32;
/** A peer that sends requests and never reads the replies is disconnected here. */
const MAX_QUEUED_BYTES = 4 << 20;
/** Cost of a queued message besides its bytes: replies are small, but there may be many. */
const MESSAGE_OVERHEAD_BYTES = 256;
/** The same limit for descriptors, each of which this process holds until it is sent. */
const MAX_QUEUED_FDS = 256;
const RETRY_MS = 2;
/**
 * The other side writes header and payload at once, so there is no good reason to leave a message incomplete.
 */
export const MESSAGE_MS = 10_000;

export class FramedSocket {
  readonly #fd: number;
  readonly #reader: FrameReader;
  readonly #handlers: MessageHandlers;
  #watcher: FdWatcher | null = null;
  #closed = false;
  #busy = false;
  #queue: Outgoing[] = [];
  #queuedBytes = 0;
  #queuedFds = 0;
  #retry: Timer | null = null;
  readonly #messageMs: number;
  readonly #deadline: Deadline;

  /** Takes ownership of `fd` and starts reading. */
  constructor(fd: number, framing: Framing, handlers: MessageHandlers, messageMs = MESSAGE_MS) {
    this.#fd = fd;
    this.#messageMs = messageMs;
    this.#reader = new FrameReader(framing);
    this.#handlers = handlers;
    this.#deadline = new Deadline((error) => this.close(faultReason(error)));
    this.#watch();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The other side has hung up, though its last messages may not have been read yet. */
  get hungUp(): boolean {
    return this.#closed || native.isHungUp(this.#fd);
  }

  /** Sends a message; the descriptors remain the caller's. Queues the message when the socket is full. */
  send(data: Uint8Array, fds: readonly number[] = []): void {
    if (this.#closed) return;
    let sent = 0;
    if (this.#queue.length === 0) {
      sent = this.#trySend(data, fds);
      if (sent < 0 || sent === data.length) return;
    }
    const held = sent > 0 ? [] : fds;
    const cost = data.length - sent + MESSAGE_OVERHEAD_BYTES;
    if (this.#queuedBytes + cost > MAX_QUEUED_BYTES || this.#queuedFds + held.length > MAX_QUEUED_FDS) {
      this.close('it does not read its replies');
      return;
    }
    this.#queue.push({ data: data.slice(sent), fds: duplicates(held) });
    this.#queuedBytes += cost;
    this.#queuedFds += held.length;
    this.#armRetry();
  }

  /** Closes the socket and every descriptor that is still queued. Idempotent. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwatch();
    this.#retry?.cancel();
    this.#deadline.end();
    this.#reader.close();
    for (const item of this.#queue) closeAll(item.fds);
    this.#queue = [];
    endQuietly(this.#fd);
    guarded(
      () => this.#handlers.onClosed(reason),
      (error) => this.#handlers.onFault(error),
    );
  }

  #watch(): void {
    this.#watcher ??= watch(
      this.#fd,
      () => this.#onReadable(),
      (error) => this.#fail(error),
    );
  }

  /** Our own code threw: ends this connection and nothing else. */
  #fail(error: unknown): void {
    this.close(faultReason(error));
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  #onReadable(): void {
    for (let n = 0; n < MESSAGES_PER_WAKE && !this.#closed && !this.#busy; n++) {
      const message = this.#receive();
      if (!message) {
        if (this.#reader.begun && !this.#closed)
          this.#deadline.start(this.#messageMs, () => this.close('it did not finish a message'));
        return;
      }
      this.#deadline.end();
      this.#dispatch(message);
    }
  }

  #dispatch(message: Message): void {
    try {
      const pending = this.#handlers.onMessage(message);
      if (pending instanceof Promise) {
        this.#await(message, pending);
        return;
      }
    } catch (error) {
      this.#fail(error);
    }
    closeAll(message.fds);
  }

  #await(message: Message, pending: Promise<void>): void {
    this.#busy = true;
    this.#unwatch();
    const goOn = () => {
      closeAll(message.fds);
      this.#busy = false;
      if (!this.#closed) this.#watch();
    };
    settled(pending, goOn, (error) => this.#fail(error));
  }

  /** The next complete message; null when there is none yet or the connection has ended. */
  #receive(): Message | null {
    try {
      return this.#reader.read(this.#fd);
    } catch (error) {
      if (!(error instanceof StreamEnd)) throw error;
      this.close(error.message);
      return null;
    }
  }

  /** Bytes sent; -1 when the connection broke, and has been closed. */
  #trySend(data: Uint8Array, fds: readonly number[]): number {
    try {
      return native.sendMessage(this.#fd, data, fds);
    } catch (error) {
      this.close((error as Error).message);
      return -1;
    }
  }

  #armRetry(): void {
    const retry = () => {
      this.#retry = null;
      this.#drain();
    };
    this.#retry ??= after(RETRY_MS, retry, (error) => this.#fail(error));
  }

  #drain(): void {
    for (let item = this.#queue[0]; item; item = this.#queue[0]) {
      const sent = this.#trySend(item.data, item.fds);
      if (sent < 0) return;
      if (sent > 0) {
        this.#queuedFds -= item.fds.length;
        closeAll(item.fds);
      }
      this.#queuedBytes -= sent;
      item.data = item.data.subarray(sent);
      if (item.data.length > 0) {
        this.#armRetry();
        return;
      }
      this.#queue.shift();
      this.#queuedBytes -= MESSAGE_OVERHEAD_BYTES;
    }
  }
}

/** Duplicates all or none, even when the process runs out of descriptors. */
function duplicates(fds: readonly number[]): number[] {
  const copies: number[] = [];
  try {
    for (const fd of fds) copies.push(native.dup(fd));
    return copies;
  } catch (error) {
    closeAll(copies);
    throw error;
  }
}
