// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user client: synchronous requests on a unix socket, one in flight. For the control path only.
//
// A server that closes the socket, violates the protocol or does not answer within the timeout is gone for
// good: the client reports it once, and every later request throws VPCI_REMOVED. An error reply is different:
// it throws the server's errno. Descriptors that arrive with anything but a good reply are closed.
//
// The event loop is blocked meanwhile, so a wait checks for SIGINT and SIGTERM itself: the client also gives
// up a server that is slow to answer while a signal is pending for its listener. That is no fault of the
// server's, and throws EINTR.
import { getSystemErrorName } from 'node:util';
import { decode, encode } from '../abi/layout.ts';
import {
  VFIO_USER_F_ERROR,
  VFIO_USER_F_NO_REPLY,
  VFIO_USER_F_TYPE_COMMAND,
  VFIO_USER_F_TYPE_MASK,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_HEADER,
  VFIO_USER_MAX_MESSAGE,
} from '../abi/vfio-user.ts';
import { PmdError, type SystemCode } from '../errors.ts';
import { native } from '../native.ts';

/** As QEMU's x-msg-timeout. */
export const VFIO_USER_TIMEOUT_MS = 5000;

/** Interval between checks for signals during a wait, and how long a server may delay a signal. */
const SIGNAL_SLICE_MS = 50;
const SIGNAL_PATIENCE_MS = 250;
/** Why a wait was given up. */
export const INTERRUPTED = 'a signal arrived while waiting for its reply';

/** Timeout of a request while the process is ending. */
const HURRIED_TIMEOUT_MS = 500;
let timeoutLimitMs = Number.POSITIVE_INFINITY;

/** The process is ending: shortens the timeouts of all clients. */
export function hurryVfioUser(): void {
  timeoutLimitMs = HURRIED_TIMEOUT_MS;
}

/** Maximum number of descriptors per message: the limit of native.receiveMessage. */
export const CLIENT_MAX_FDS = 64;

/** Maximum number of server commands answered per turn of the event loop, or while waiting for a reply. */
const MAX_COMMANDS = 256;

const ENOTSUP = 95;

export interface VfioUserReply {
  /** The bytes after the header. */
  readonly payload: DataView;
  /** The caller owns them. */
  readonly fds: readonly number[];
}

export interface VfioUserRequest {
  readonly command: number;
  readonly payload?: Uint8Array;
  readonly fds?: readonly number[];
  /** Maximum number of descriptors in the reply; default 0. */
  readonly maxReplyFds?: number;
}

interface Message {
  readonly header: { id: number; command: number; size: number; flags: number; error: number };
  readonly payload: DataView;
  readonly fds: number[];
}

export class VfioUserClient {
  readonly #fd: number;
  readonly #name: string;
  readonly #timeoutMs: number;
  #nextId = 0;
  #removed: string | null = null;
  #interrupted = false;
  /** Time when a pending signal was first seen. */
  #signalSince: number | null = null;
  #closed = false;
  #onRemoved: (reason: string) => void = () => {};

  /** Takes ownership of a connected, non-blocking socket. `name` is the device's name in messages. */
  constructor(fd: number, name: string, timeoutMs = VFIO_USER_TIMEOUT_MS) {
    this.#fd = fd;
    this.#name = name;
    this.#timeoutMs = timeoutMs;
  }

  get fd(): number {
    return this.#fd;
  }

  /** Why the device is gone, or null. */
  get removed(): string | null {
    return this.#removed;
  }

  /** True if it is gone because a signal ended the wait for a reply. */
  get interrupted(): boolean {
    return this.#interrupted;
  }

  /** Calls back once when the device is found to be gone; never after close(). */
  onRemoved(handler: (reason: string) => void): void {
    this.#onRemoved = handler;
  }

  /**
   * Sends a command and waits for its reply. Throws the server's errno, VPCI_REMOVED if the server is gone,
   * or EINTR if a signal has ended a wait.
   */
  request({
    command,
    payload = new Uint8Array(0),
    fds = [],
    maxReplyFds = 0,
  }: VfioUserRequest): VfioUserReply {
    this.#requireAlive();
    const id = this.#nextId;
    this.#nextId = (id + 1) & 0xffff;
    const deadline = this.#deadline();
    this.#send({ id, command, flags: VFIO_USER_F_TYPE_COMMAND, error: 0 }, payload, fds, deadline);
    const { header, payload: reply, fds: replyFds } = this.#awaitReply(id, command, deadline);
    if ((header.flags & VFIO_USER_F_ERROR) !== 0) {
      closeAll(replyFds);
      throw new PmdError(
        errnoName(header.error),
        `${this.#name} refused command ${command}: ${errnoName(header.error)}`,
      );
    }
    if (replyFds.length > maxReplyFds) {
      closeAll(replyFds);
      throw this.#lose(`it sent ${replyFds.length} descriptors with the reply to command ${command}`);
    }
    return { payload: reply, fds: replyFds };
  }

  /**
   * Handles a closed connection or the server's commands, up to MAX_COMMANDS per call. For a watcher of `fd`.
   */
  poll(): void {
    if (this.#removed !== null || this.#closed) return;
    try {
      for (let taken = 0; taken < MAX_COMMANDS && native.pollFd(this.#fd, 'in', 0); taken++)
        this.#refuse(this.#receive(this.#deadline()));
    } catch (error) {
      if (this.#removed === null) throw error;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onRemoved = () => {};
    native.close(this.#fd);
  }

  #awaitReply(id: number, command: number, deadline: number): Message {
    for (let commands = 0; commands <= MAX_COMMANDS; commands++) {
      const message = this.#receive(deadline);
      const { header } = message;
      const type = header.flags & VFIO_USER_F_TYPE_MASK;
      if (type === VFIO_USER_F_TYPE_COMMAND) {
        this.#refuse(message);
        continue;
      }
      if (type === VFIO_USER_F_TYPE_REPLY && header.id === id && header.command === command) return message;
      closeAll(message.fds);
      throw this.#lose(`it sent an unexpected reply (id ${header.id}, command ${header.command})`);
    }
    throw this.#lose('it keeps sending commands');
  }

  /**
   * A server's own commands are DMA_READ and DMA_WRITE, for memory without a descriptor: this client has no
   * such memory.
   */
  #refuse({ header, fds }: Message): void {
    closeAll(fds);
    if ((header.flags & VFIO_USER_F_TYPE_MASK) !== VFIO_USER_F_TYPE_COMMAND) {
      throw this.#lose(`it sent an unexpected reply (id ${header.id}, command ${header.command})`);
    }
    if ((header.flags & VFIO_USER_F_NO_REPLY) !== 0) return;
    const flags = VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR;
    const answer = { id: header.id, command: header.command, flags, error: ENOTSUP };
    this.#send(answer, new Uint8Array(0), [], this.#deadline());
  }

  #send(
    header: { id: number; command: number; flags: number; error: number },
    payload: Uint8Array,
    fds: readonly number[],
    deadline: number,
  ): void {
    const message = new Uint8Array(VFIO_USER_HEADER.size + payload.length);
    encode(VFIO_USER_HEADER, { ...header, size: message.length }, new DataView(message.buffer));
    message.set(payload, VFIO_USER_HEADER.size);
    let sent = 0;
    while (sent < message.length) {
      const taken = this.#io(() =>
        native.sendMessage(this.#fd, message.subarray(sent), sent === 0 ? fds : []),
      );
      sent += taken;
      if (taken === 0) this.#wait('out', deadline);
    }
  }

  #receive(deadline: number): Message {
    const fds: number[] = [];
    try {
      const head = new DataView(this.#read(VFIO_USER_HEADER.size, fds, deadline).buffer);
      const header = decode(VFIO_USER_HEADER, head);
      if (header.size < VFIO_USER_HEADER.size || header.size > VFIO_USER_MAX_MESSAGE) {
        throw this.#lose(`it does not speak vfio-user (a message of ${header.size} bytes)`);
      }
      const payload = this.#read(header.size - VFIO_USER_HEADER.size, fds, deadline);
      return { header, payload: new DataView(payload.buffer), fds };
    } catch (error) {
      closeAll(fds);
      throw error;
    }
  }

  /** Reads exactly `length` bytes; received descriptors are appended to `fds`, even if it throws. */
  #read(length: number, fds: number[], deadline: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const received = this.#io(() =>
        native.receiveMessage(this.#fd, bytes.subarray(filled), CLIENT_MAX_FDS),
      );
      if (received === null) {
        this.#wait('in', deadline);
        continue;
      }
      fds.push(...received.fds);
      if (received.bytes === 0) throw this.#lose('the connection was closed');
      if (received.fdsTruncated || fds.length > CLIENT_MAX_FDS)
        throw this.#lose('it sent too many descriptors');
      filled += received.bytes;
    }
    return bytes;
  }

  #deadline(): number {
    return Date.now() + Math.min(this.#timeoutMs, timeoutLimitMs);
  }

  #wait(events: 'in' | 'out', deadline: number): void {
    for (;;) {
      this.#giveWayToSignals();
      const left = deadline - Date.now();
      if (left <= 0)
        throw this.#lose(`it did not answer within ${Math.min(this.#timeoutMs, timeoutLimitMs)} ms`);
      if (this.#io(() => native.pollFd(this.#fd, events, Math.min(left, SIGNAL_SLICE_MS)))) return;
    }
  }

  /**
   * The time accumulates over requests, so that a server cannot delay a signal by answering each request a
   * little late.
   */
  #giveWayToSignals(): void {
    if (!native.endSignalWaits()) {
      this.#signalSince = null;
      return;
    }
    this.#signalSince ??= Date.now();
    if (Date.now() - this.#signalSince < SIGNAL_PATIENCE_MS) return;
    this.#interrupted = true;
    throw this.#lose(`it was given up, as ${INTERRUPTED}`);
  }

  #io<T>(operation: () => T): T {
    try {
      return operation();
    } catch (error) {
      // Programming errors are not the server's fault; they have no `syscall`.
      const { code, syscall } = error as NodeJS.ErrnoException;
      if (syscall === undefined) throw error;
      throw this.#lose(`the connection broke (${code})`);
    }
  }

  #requireAlive(): void {
    if (this.#closed) throw new PmdError('VPCI_CLOSED', `${this.#name} is closed`);
    if (this.#removed !== null) throw this.#lost(this.#removed);
  }

  #lose(reason: string): PmdError {
    if (this.#removed === null) {
      this.#removed = reason;
      // Deferred: the caller's request throws its error first.
      queueMicrotask(() => this.#onRemoved(reason));
    }
    return this.#lost(reason);
  }

  #lost(reason: string): PmdError {
    if (this.#interrupted) return new PmdError('EINTR', `Failed to use ${this.#name}: ${INTERRUPTED}`);
    return new PmdError('VPCI_REMOVED', `The device ${this.#name} is gone: ${reason}`);
  }
}

export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) native.closeForeign(fd);
}

function errnoName(error: number): SystemCode {
  if (!Number.isInteger(error) || error < 1 || error > 4095) return 'EIO';
  const name = getSystemErrorName(-error);
  return /^E[A-Z0-9]+$/.test(name) ? (name as SystemCode) : 'EIO';
}
