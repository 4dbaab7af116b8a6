// SPDX-License-Identifier: BSD-3-Clause
// One vhost-user connection from the front-end's side: messages out, replies in, one exchange at a time, on
// the event loop. The back-end is not trusted: a reply must answer the pending request, have the expected
// length, and arrive in time; anything else ends the connection with one error that says what was wrong.
// Descriptors that come with a reply are closed.
import { setTimeout as sleep } from 'node:timers/promises';
import { decode, encode, type Layout } from '../../src/abi/layout.ts';
import {
  VHOST_USER,
  VHOST_USER_HEADER,
  VHOST_USER_NEED_REPLY_MASK,
  VHOST_USER_REPLY_MASK,
  VHOST_USER_U64,
  VHOST_USER_VERSION,
} from '../../src/abi/vhost-user.ts';
import { failedTo, PmdError, type PmdErrorCode } from '../../src/errors.ts';
import { type FdWatcher, native } from '../../src/native.ts';
import { closeAll } from '../socket/fds.ts';
import { FrameReader, StreamEnd } from '../socket/frame-reader.ts';

export type RequestName = keyof typeof VHOST_USER;

/**
 * The back-end handles the request in another process, and may first have to wait for its own driver to stop.
 */
const DEFAULT_TIMEOUT_MS = 5000;
const FULL_SOCKET_RETRY_MS = 2;
const MAX_FDS = 8;

interface Pending {
  readonly name: RequestName;
  readonly size: number;
  readonly resolve: (reply: DataView) => void;
  readonly reject: (error: Error) => void;
}

export class Channel {
  /** Called once when the connection ends for a reason other than close(). */
  onClosed: (error: PmdError) => void = () => {};
  /** Set when REPLY_ACK was negotiated: acked() then requests an acknowledgement. */
  replyAck = false;
  readonly #fd: number;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #watcher: FdWatcher;
  readonly #reader = new FrameReader({
    headerBytes: VHOST_USER_HEADER.size,
    maxFds: MAX_FDS,
    payloadBytes: (header) => this.#replyBytes(header),
  });
  #pending: Pending | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #ended: PmdError | undefined;
  /** The back-end has replied at least once. */
  #answered = false;

  /** Owns `fd`, a connected socket. `path` names the back-end in errors. */
  constructor(fd: number, path: string, timeoutMs = DEFAULT_TIMEOUT_MS) {
    this.#fd = fd;
    this.#path = path;
    this.#timeoutMs = timeoutMs;
    this.#watcher = native.watchFd(fd, () => this.#readable());
  }

  get open(): boolean {
    return this.#ended === undefined;
  }

  /** Sends a message that has no reply. */
  send(name: RequestName, payload?: DataView, fds: readonly number[] = []): Promise<void> {
    return this.#inTurn(() => this.#write(name, VHOST_USER_VERSION, payload, fds));
  }

  /** Sends a message and returns its reply's payload, which must have the layout's size. */
  call(name: RequestName, reply: Layout, payload?: DataView, fds: readonly number[] = []): Promise<DataView> {
    return this.#inTurn(() => this.#exchange(name, VHOST_USER_VERSION, reply.size, payload, fds));
  }

  /**
   * Sends a message without a reply of its own; with REPLY_ACK, waits for the acknowledgement. Throws
   * VPCI_BACKEND_REFUSED.
   */
  async acked(name: RequestName, payload?: DataView, fds: readonly number[] = []): Promise<void> {
    if (!this.replyAck) return this.send(name, payload, fds);
    const flags = VHOST_USER_VERSION | VHOST_USER_NEED_REPLY_MASK;
    const reply = await this.#inTurn(() => this.#exchange(name, flags, VHOST_USER_U64.size, payload, fds));
    const { value } = decode(VHOST_USER_U64, reply);
    if (value !== 0n) throw this.#error('VPCI_BACKEND_REFUSED', `it refused ${name} (answer ${value})`);
  }

  /** Ends the connection; pending requests fail. Safe to call twice. */
  close(): void {
    this.#end(this.#error('VPCI_BACKEND_CLOSED', 'the connection was closed on this side'), false);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {}); // The caller gets the error; the next request only waits.
    return result;
  }

  async #exchange(
    name: RequestName,
    flags: number,
    size: number,
    payload: DataView | undefined,
    fds: readonly number[],
  ): Promise<DataView> {
    const reply = new Promise<DataView>((resolve, reject) => {
      this.#pending = { name, size, resolve, reject };
    });
    // Registered before the write, because the reply may arrive as soon as the message is sent.
    const timer = setTimeout(() => this.#timedOut(name), this.#timeoutMs);
    try {
      await Promise.all([this.#write(name, flags, payload, fds), reply]);
      return await reply;
    } finally {
      clearTimeout(timer);
      this.#pending = undefined;
    }
  }

  async #write(
    name: RequestName,
    flags: number,
    payload: DataView | undefined,
    fds: readonly number[],
  ): Promise<void> {
    const size = payload?.byteLength ?? 0;
    const message = new Uint8Array(VHOST_USER_HEADER.size + size);
    encode(VHOST_USER_HEADER, { request: VHOST_USER[name], flags, size }, new DataView(message.buffer));
    if (payload)
      message.set(new Uint8Array(payload.buffer, payload.byteOffset, size), VHOST_USER_HEADER.size);
    const end = Date.now() + this.#timeoutMs;
    let sent = 0;
    while (sent < message.length) {
      if (this.#ended) throw this.#ended;
      const taken = this.#sendSome(name, message.subarray(sent), sent === 0 ? fds : []);
      sent += taken;
      if (taken > 0) continue;
      if (Date.now() > end) {
        this.#timedOut(name);
        continue;
      }
      await sleep(FULL_SOCKET_RETRY_MS);
    }
  }

  #sendSome(name: RequestName, bytes: Uint8Array, fds: readonly number[]): number {
    try {
      return native.sendMessage(this.#fd, bytes, fds);
    } catch (cause) {
      const error = this.#lost(cause, `while ${name} was sent`);
      this.#end(error, true);
      throw error;
    }
  }

  #readable(): void {
    try {
      while (!this.#ended && this.#readOnce());
    } catch (cause) {
      this.#end(this.#streamError(cause), true);
    }
  }

  /** False when no complete message has arrived. */
  #readOnce(): boolean {
    const message = this.#reader.read(this.#fd);
    if (!message) return false;
    closeAll(message.fds);
    this.#answered = true;
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.resolve(new DataView(message.data.buffer.slice(VHOST_USER_HEADER.size)));
    return true;
  }

  /** Payload bytes of the pending reply, or what is wrong with this header. */
  #replyBytes(view: DataView): number | string {
    const { request, flags, size } = decode(VHOST_USER_HEADER, view);
    const pending = this.#pending;
    if (!pending) return `it sent message ${request} without a request`;
    if (request !== VHOST_USER[pending.name]) return `it answered ${pending.name} with message ${request}`;
    if (flags !== (VHOST_USER_VERSION | VHOST_USER_REPLY_MASK))
      return `it answered ${pending.name} with flags 0x${flags.toString(16)}`;
    if (size !== pending.size)
      return `it answered ${pending.name} with ${size} bytes instead of ${pending.size}`;
    return size;
  }

  #streamError(error: unknown): PmdError {
    if (!(error instanceof StreamEnd)) return this.#lost(error, this.#during());
    if (error.kind === 'closed') return this.#gone(this.#during());
    if (error.kind === 'framing')
      return this.#error('VPCI_BACKEND_PROTOCOL', `violated the protocol: ${error.message}`);
    return this.#lost(error.cause, this.#during());
  }

  #timedOut(name: RequestName): void {
    this.#end(
      this.#error('VPCI_BACKEND_TIMEOUT', `did not reply to ${name} within ${this.#timeoutMs} ms`),
      true,
    );
  }

  #end(error: PmdError, report: boolean): void {
    if (this.#ended) return;
    this.#ended = error;
    this.#watcher.close();
    this.#reader.close();
    native.close(this.#fd);
    this.#pending?.reject(error);
    this.#pending = undefined;
    if (report) this.onClosed(error);
  }

  /** The error for a failed system call on the socket. */
  #lost(cause: unknown, when: string): PmdError {
    if (cause instanceof PmdError) return cause;
    const { code } = cause as NodeJS.ErrnoException;
    // ECONNRESET: the back-end closed its end with unread data from us.
    if (code === 'EPIPE' || code === 'ECONNRESET') return this.#gone(when);
    return failedTo(`exchange messages with the vhost-user back-end at ${this.#path}`, cause);
  }

  #gone(when: string): PmdError {
    // vhost-user has no message to refuse a connection: a back-end that has another front-end just closes it,
    // as does the server of a wrong socket.
    const what = this.#answered
      ? `closed the connection ${when}`.trimEnd()
      : 'closed the connection before it answered: another peer is connected to it, or this is not its vhost-user socket';
    return this.#error('VPCI_BACKEND_GONE', what);
  }

  #during(): string {
    return this.#pending ? `instead of answering ${this.#pending.name}` : '';
  }

  #error(code: PmdErrorCode, what: string): PmdError {
    return new PmdError(code, `vhost-user back-end at ${this.#path} ${what}`);
  }
}
