// SPDX-License-Identifier: BSD-3-Clause
// Test clients of both protocols: a socket on the event loop that sends given messages and returns received
// ones.
import { decode, encode } from '../../../src/abi/layout.ts';
import { VFIO_USER_HEADER } from '../../../src/abi/vfio-user.ts';
import { VHOST_USER_HEADER } from '../../../src/abi/vhost-user.ts';
import { native } from '../../../src/native.ts';
import { closeAll } from '../../socket/fds.ts';
import type { Framing, Message } from '../../socket/frame-reader.ts';
import { FramedSocket } from '../../socket/framed-socket.ts';

interface Received {
  readonly data: DataView;
  readonly fds: number[];
}

const RECEIVE_MS = 60_000;

export class TestChannel {
  readonly #socket: FramedSocket;
  readonly #inbox: Received[] = [];
  #wake: () => void = () => {};
  closedBecause: string | null = null;

  constructor(fd: number, framing: Framing) {
    this.#socket = new FramedSocket(fd, framing, {
      onMessage: ({ data, fds }: Message) => {
        this.#inbox.push({ data, fds: fds.splice(0) });
        this.#wake();
      },
      onFault: () => {},
      onClosed: (reason) => {
        this.closedBecause = reason;
        this.#wake();
      },
    });
  }

  send(data: Uint8Array, fds: readonly number[] = []): void {
    this.#socket.send(data, fds);
  }

  /** The next message; the caller owns its descriptors. Throws when the connection is closed. */
  async receive(): Promise<Received> {
    if (this.#inbox.length === 0 && this.closedBecause === null) await this.#waitForMessage();
    const message = this.#inbox.shift();
    if (!message) throw new Error(`closed: ${this.closedBecause}`);
    return message;
  }

  get pending(): number {
    return this.#inbox.length;
  }

  close(): void {
    this.#socket.close('the test is done');
    for (const { fds } of this.#inbox.splice(0)) closeAll(fds);
  }

  #waitForMessage(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no message within ${RECEIVE_MS} ms`)), RECEIVE_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const VHOST_USER_REPLIES: Framing = {
  headerBytes: VHOST_USER_HEADER.size,
  maxFds: 8,
  payloadBytes: (header) => decode(VHOST_USER_HEADER, header).size,
};

const VFIO_USER_REPLIES: Framing = {
  headerBytes: VFIO_USER_HEADER.size,
  maxFds: 64,
  payloadBytes: (header) => decode(VFIO_USER_HEADER, header).size - VFIO_USER_HEADER.size,
};

export const vhostUserChannel = (fd: number): TestChannel => new TestChannel(fd, VHOST_USER_REPLIES);
export const vfioUserChannel = (fd: number): TestChannel => new TestChannel(fd, VFIO_USER_REPLIES);

export function vhostUserMessage(
  request: number,
  payload: Uint8Array = new Uint8Array(0),
  flags = 1,
): Uint8Array {
  const message = new Uint8Array(VHOST_USER_HEADER.size + payload.length);
  encode(VHOST_USER_HEADER, { request, flags, size: payload.length }, new DataView(message.buffer));
  message.set(payload, VHOST_USER_HEADER.size);
  return message;
}

export function vfioUserMessage(
  command: number,
  payload: Uint8Array = new Uint8Array(0),
  flags = 0,
  id = 7,
): Uint8Array {
  const message = new Uint8Array(VFIO_USER_HEADER.size + payload.length);
  encode(VFIO_USER_HEADER, { id, command, size: message.length, flags }, new DataView(message.buffer));
  message.set(payload, VFIO_USER_HEADER.size);
  return message;
}

export function u32s(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

export function u64s(...values: bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values).buffer);
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Sends everything at once, from a plain socket. */
export function sendRaw(fd: number, data: Uint8Array, fds: readonly number[] = []): void {
  const sent = native.sendMessage(fd, data, fds);
  if (sent !== data.length) throw new Error(`sent ${sent} of ${data.length} bytes`);
}
