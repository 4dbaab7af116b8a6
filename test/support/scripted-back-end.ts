// SPDX-License-Identifier: BSD-3-Clause
// The back-end's end of a vhost-user socket, for tests of a front-end: it records every message and answers
// as a correct back-end would, unless a test scripts another answer. It holds the received descriptors until
// close().
import { decode, encode } from '../../src/abi/layout.ts';
import {
  VHOST_USER,
  VHOST_USER_HEADER,
  VHOST_USER_NEED_REPLY_MASK,
  VHOST_USER_REPLY_MASK,
  VHOST_USER_U64,
  VHOST_USER_VERSION,
  VHOST_USER_VRING_STATE,
} from '../../src/abi/vhost-user.ts';
import { type FdWatcher, native, type ReceivedMessage } from '../../src/native.ts';
import type { RequestName } from '../../tools/peer/channel.ts';

export interface BackEndMessage {
  readonly name: RequestName;
  readonly flags: number;
  readonly payload: DataView;
  readonly fds: readonly number[];
}

/** How to answer a message: with raw bytes, not at all, or by hanging up. */
export type Answer = Uint8Array | 'silence' | 'hang up';
export type Script = Partial<Record<RequestName, (message: BackEndMessage) => Answer>>;

export interface ScriptedBackEndOptions {
  readonly features: bigint;
  readonly protocolFeatures: bigint;
  readonly queuePairs: number;
  readonly script: Script;
}

const NAMES = new Map<number, RequestName>(
  Object.entries(VHOST_USER).map(([name, id]) => [id, name as RequestName]),
);

/** A message as a back-end writes it; every field can be wrong. */
export function replyBytes(
  request: number,
  payload: DataView,
  header: { flags?: number; size?: number } = {},
): Uint8Array {
  const bytes = new Uint8Array(VHOST_USER_HEADER.size + payload.byteLength);
  const flags = header.flags ?? VHOST_USER_VERSION | VHOST_USER_REPLY_MASK;
  encode(
    VHOST_USER_HEADER,
    { request, flags, size: header.size ?? payload.byteLength },
    new DataView(bytes.buffer),
  );
  bytes.set(new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength), VHOST_USER_HEADER.size);
  return bytes;
}

export const u64Bytes = (request: number, value: bigint): Uint8Array =>
  replyBytes(request, encode(VHOST_USER_U64, { value }));

export class ScriptedBackEnd {
  readonly messages: BackEndMessage[] = [];
  readonly #fd: number;
  readonly #options: ScriptedBackEndOptions;
  readonly #watcher: FdWatcher;
  #open = true;
  /** True once the front-end has hung up. */
  gone = false;

  /** Owns `fd`. */
  constructor(fd: number, options: ScriptedBackEndOptions) {
    this.#fd = fd;
    this.#options = options;
    this.#watcher = native.watchFd(fd, () => this.#readable());
  }

  /** Names of the messages so far, in order. */
  get names(): RequestName[] {
    return this.messages.map(({ name }) => name);
  }

  find(name: RequestName): BackEndMessage | undefined {
    return this.messages.find((message) => message.name === name);
  }

  /** Writes unsolicited bytes. */
  write(bytes: Uint8Array, fds: readonly number[] = []): void {
    native.sendMessage(this.#fd, bytes, fds);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#watcher.close();
    native.close(this.#fd);
    for (const { fds } of this.messages) for (const fd of fds) native.close(fd);
  }

  #readable(): void {
    // Front-end messages are short and written in one piece, so a test may read them in one piece.
    while (this.#open && !this.gone) {
      const head = new Uint8Array(VHOST_USER_HEADER.size);
      const received = this.#receiveHead(head);
      if (received === null) return;
      this.gone = received.bytes === 0;
      if (this.gone) {
        this.#watcher.close();
        return;
      }
      const header = decode(VHOST_USER_HEADER, new DataView(head.buffer));
      const payload = new Uint8Array(header.size);
      if (header.size > 0) native.receiveMessage(this.#fd, payload, 0);
      const name = NAMES.get(header.request);
      if (!name) throw new Error(`The front-end sent unknown message ${header.request}`);
      this.#take({ name, flags: header.flags, payload: new DataView(payload.buffer), fds: received.fds });
    }
  }

  #receiveHead(into: Uint8Array): ReceivedMessage | null {
    try {
      return native.receiveMessage(this.#fd, into, 16);
    } catch (cause) {
      // The front-end hung up before it read all our bytes.
      if ((cause as NodeJS.ErrnoException).code !== 'ECONNRESET') throw cause;
      return { bytes: 0, fds: [], fdsTruncated: false };
    }
  }

  #take(message: BackEndMessage): void {
    this.messages.push(message);
    const answer = this.#options.script[message.name]?.(message) ?? this.#correct(message);
    if (answer === 'hang up') this.close();
    else if (answer !== 'silence') this.write(answer);
  }

  #correct({ name, flags, payload }: BackEndMessage): Answer {
    const request = VHOST_USER[name];
    switch (name) {
      case 'GET_FEATURES':
        return u64Bytes(request, this.#options.features);
      case 'GET_PROTOCOL_FEATURES':
        return u64Bytes(request, this.#options.protocolFeatures);
      case 'GET_QUEUE_NUM':
        return u64Bytes(request, BigInt(this.#options.queuePairs));
      case 'GET_VRING_BASE': {
        const { index } = decode(VHOST_USER_VRING_STATE, payload);
        return replyBytes(request, encode(VHOST_USER_VRING_STATE, { index, num: 7 }));
      }
      default:
        return flags & VHOST_USER_NEED_REPLY_MASK ? u64Bytes(request, 0n) : 'silence';
    }
  }
}
