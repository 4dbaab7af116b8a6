// SPDX-License-Identifier: BSD-3-Clause
// The vhost-user protocol engine of one connection: framing, the checks that all messages share, replies and
// acknowledgements. The messages themselves are in vhost-user-messages.ts, the peer's state in peer.ts.
import { decode, encode } from '../../src/abi/layout.ts';
import {
  VHOST_USER_HEADER,
  VHOST_USER_MAX_PAYLOAD,
  VHOST_USER_MAX_REGIONS,
  VHOST_USER_NEED_REPLY_MASK,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_REPLY_MASK,
  VHOST_USER_VERSION,
  VHOST_USER_VERSION_MASK,
} from '../../src/abi/vhost-user.ts';
import { type OnFault, runAll } from './guard.ts';
import { type Framing, type Message, MessageSocket } from './message-socket.ts';
import { Peer } from './peer.ts';
import { ProtocolError } from './protocol-error.ts';
import { MESSAGE_HANDLERS, type MessageHandler, type PeerHost, u64 } from './vhost-user-messages.ts';

export interface BackendHost extends PeerHost {
  /** A message was handled: the peer's state may have changed. */
  changed(): void;
  /** The connection is over; the peer's state is still there, and is closed after this call. */
  closed(reason: string): void;
  /** Something of ours has thrown while the connection ended. */
  readonly onFault: OnFault;
  /** For -v. */
  trace(line: string): void;
}

const HEADER = VHOST_USER_HEADER.size;

export const VHOST_USER_FRAMING: Framing = {
  headerBytes: HEADER,
  maxFds: VHOST_USER_MAX_REGIONS,
  payloadBytes(header) {
    const { request, flags, size } = decode(VHOST_USER_HEADER, header);
    if ((flags & VHOST_USER_VERSION_MASK) !== VHOST_USER_VERSION)
      return `message ${request} of another protocol version`;
    if (flags & VHOST_USER_REPLY_MASK) return `message ${request} is a reply to nothing`;
    if (size > VHOST_USER_MAX_PAYLOAD) return `message ${request} is ${size} bytes long`;
    return size;
  },
};

export class VhostUserBackend {
  readonly peer: Peer;
  readonly #host: BackendHost;
  readonly #socket: MessageSocket;

  /** Takes ownership of the connected socket `fd`. */
  constructor(fd: number, queuePairs: number, host: BackendHost) {
    this.peer = new Peer(queuePairs, (ring) => host.unwatchKick(ring));
    this.#host = host;
    this.#socket = new MessageSocket(fd, VHOST_USER_FRAMING, {
      onMessage: (message) => this.#handle(message),
      onClosed: (reason) => {
        runAll(
          host.onFault,
          () => host.closed(reason),
          () => this.peer.close(),
        );
      },
      onFault: host.onFault,
    });
  }

  get closed(): boolean {
    return this.#socket.closed;
  }

  close(reason: string): void {
    this.#socket.close(reason);
  }

  async #handle(message: Message): Promise<void> {
    const { request, flags } = decode(VHOST_USER_HEADER, message.data);
    const handler = MESSAGE_HANDLERS.get(request);
    const name = handler?.name ?? `message ${request}`;
    const wantsAck = (flags & VHOST_USER_NEED_REPLY_MASK) !== 0 && this.#has(VHOST_USER_PROTOCOL_F_REPLY_ACK);
    try {
      const reply = await this.#run(handler, message);
      if (this.closed) return;
      if (reply) this.#reply(request, reply);
      else if (wantsAck) this.#reply(request, u64(0n));
      this.#host.trace(`${name} done`);
      this.#host.changed();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refuse(request, `${name}: ${error.message}`, wantsAck && !handler?.replies);
      // A message may have stopped a ring before it was found to be wrong.
      if (!this.closed) this.#host.changed();
    }
  }

  /** A peer that asked for acknowledgements can go on after a mistake; another one would never know. */
  #refuse(request: number, reason: string, ack: boolean): void {
    if (this.closed) return;
    if (!ack) {
      this.close(reason);
      return;
    }
    this.#host.trace(`refused ${reason}`);
    this.#reply(request, u64(1n));
  }

  async #run(
    handler: MessageHandler | undefined,
    { data, fds, fdsTruncated }: Message,
  ): Promise<Uint8Array | undefined> {
    if (!handler) throw new ProtocolError('not offered');
    if (handler.needs !== undefined && !this.#has(handler.needs))
      throw new ProtocolError('its feature is not negotiated');
    const payload = new DataView(data.buffer, HEADER);
    if (payload.byteLength < handler.minPayload || payload.byteLength > handler.maxPayload) {
      throw new ProtocolError(`a payload of ${payload.byteLength} bytes`);
    }
    if (fdsTruncated || fds.length < handler.minFds || fds.length > handler.maxFds) {
      throw new ProtocolError(`${fds.length}${fdsTruncated ? '+' : ''} descriptors`);
    }
    const reply = await handler.handle({ peer: this.peer, host: this.#host, payload, fds });
    return reply ?? undefined;
  }

  #has(protocolFeature: number): boolean {
    return (this.peer.protocolFeatures & (1n << BigInt(protocolFeature))) !== 0n;
  }

  #reply(request: number, payload: Uint8Array): void {
    const message = new Uint8Array(HEADER + payload.length);
    const flags = VHOST_USER_VERSION | VHOST_USER_REPLY_MASK;
    encode(VHOST_USER_HEADER, { request, flags, size: payload.length }, new DataView(message.buffer));
    message.set(payload, HEADER);
    this.#socket.send(message);
  }
}
