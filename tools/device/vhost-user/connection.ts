// SPDX-License-Identifier: BSD-3-Clause
// The vhost-user protocol engine of one connection: framing, the checks that all messages share, replies and
// acknowledgements. The messages themselves are in message-table.ts, the peer's state in peer.ts.
import { decode, encode } from '../../../src/abi/layout.ts';
import {
  VHOST_USER,
  VHOST_USER_HEADER,
  VHOST_USER_MAX_PAYLOAD,
  VHOST_USER_MAX_REGIONS,
  VHOST_USER_NEED_REPLY_MASK,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_REPLY_MASK,
  VHOST_USER_VERSION,
  VHOST_USER_VERSION_MASK,
} from '../../../src/abi/vhost-user.ts';
import { Deadline } from '../../socket/deadline.ts';
import { DISCONNECTED, type Framing, type Message } from '../../socket/frame-reader.ts';
import { FramedSocket } from '../../socket/framed-socket.ts';
import { type OnFault, runAll } from '../../socket/guard.ts';
import type { Log } from '../log.ts';
import { beginsVfioUser, SPEAKS_VFIO_USER } from '../socket/wrong-socket.ts';
import { type MessageHandler, type PeerHost, u64 } from './message.ts';
import { MESSAGE_HANDLERS } from './message-table.ts';
import { ConnectedPeer } from './peer.ts';
import { ProtocolError } from './protocol-error.ts';

export interface ConnectionHost extends PeerHost {
  readonly log: Log;
  /** A message was handled: the peer's state may have changed. */
  changed(): void;
  /** The connection is over; the peer's state still exists, and is closed after this call. */
  closed(reason: string): void;
  /** Our own code threw while the connection ended. */
  readonly onFault: OnFault;
  /** The client sent a message that identifies it as a front-end. Called once. */
  introduced(): void;
  /** A message was answered with an error, and the connection continues. */
  refused(reason: string): void;
}

/** Every front-end sends one of these first or early. */
const INTRODUCTIONS: ReadonlySet<number> = new Set([
  VHOST_USER.SET_OWNER,
  VHOST_USER.SET_PROTOCOL_FEATURES,
  VHOST_USER.SET_FEATURES,
]);
export const HANDSHAKE_MS = 10_000;

const HEADER = VHOST_USER_HEADER.size;

export const VHOST_USER_FRAMING: Framing = {
  headerBytes: HEADER,
  maxFds: VHOST_USER_MAX_REGIONS,
  payloadBytes(header) {
    const { request, flags, size } = decode(VHOST_USER_HEADER, header);
    if (beginsVfioUser(header)) return SPEAKS_VFIO_USER;
    if ((flags & VHOST_USER_VERSION_MASK) !== VHOST_USER_VERSION)
      return `message ${request} has another protocol version`;
    if (flags & VHOST_USER_REPLY_MASK) return `message ${request} is a reply without a request`;
    if (size > VHOST_USER_MAX_PAYLOAD) return `message ${request} is ${size} bytes long`;
    return size;
  },
};

export class VhostUserConnection {
  readonly peer: ConnectedPeer;
  /** How many messages came, by name; of a hostile peer too no more names than the protocol has. */
  readonly messages = new Map<string, number>();
  readonly #host: ConnectionHost;
  readonly #socket: FramedSocket;
  /** Runs until the front-end has introduced itself. */
  readonly #handshake: Deadline;

  /**
   * Takes ownership of the connected socket `fd`. The front-end must introduce itself within `handshakeMs`,
   * and complete each message within the same time.
   */
  constructor(fd: number, queuePairs: number, host: ConnectionHost, handshakeMs = HANDSHAKE_MS) {
    this.peer = new ConnectedPeer(queuePairs, (ring) => host.kicks.unwatch(ring), host.eventfds);
    this.#host = host;
    this.#handshake = new Deadline(host.onFault);
    const handlers = {
      onMessage: (message: Message) => this.#handle(message),
      onClosed: (reason: string) => this.#closed(reason),
      onFault: host.onFault,
    };
    this.#socket = new FramedSocket(fd, VHOST_USER_FRAMING, handlers, handshakeMs);
    this.#handshake.start(handshakeMs, () => this.close('it connected but did not negotiate'));
  }

  get introduced(): boolean {
    return !this.#handshake.running;
  }

  /** The front-end has hung up, though the end of its stream may not have been read yet. */
  get hungUp(): boolean {
    return this.#socket.hungUp;
  }

  get closed(): boolean {
    return this.#socket.closed;
  }

  close(reason: string): void {
    this.#socket.close(reason);
  }

  #closed(reason: string): void {
    this.#handshake.end();
    const { askedForPairs, featuresSet, memory, rings } = this.peer;
    // QEMU and DPDK disconnect when the answer is too small, and report it only to their own user.
    const tooFew = reason === DISCONNECTED && askedForPairs && !featuresSet && memory.regions.length === 0;
    const pairs = rings.length / 2;
    const why = tooFew
      ? `${reason} on learning that the function has ${pairs} queue ${pairs === 1 ? 'pair' : 'pairs'}: if it needs more, start vhost-pci-device with that many --queues`
      : reason;
    runAll(
      this.#host.onFault,
      () => this.#host.closed(why),
      () => this.peer.close(),
    );
  }

  #introduce(): void {
    if (this.introduced) return;
    this.#handshake.end();
    this.#host.introduced();
  }

  async #handle(message: Message): Promise<void> {
    const { request, flags } = decode(VHOST_USER_HEADER, message.data);
    const handler = MESSAGE_HANDLERS.get(request);
    const name = handler?.name ?? `message ${request}`;
    this.#count(handler?.name ?? 'unknown');
    const wantsAck = (flags & VHOST_USER_NEED_REPLY_MASK) !== 0 && this.#has(VHOST_USER_PROTOCOL_F_REPLY_ACK);
    try {
      const reply = await this.#run(handler, message);
      if (this.closed) return;
      if (reply) this.#reply(request, reply);
      else if (wantsAck) this.#reply(request, u64(0n));
      this.#host.log.trace(`peer: ${name} done`);
      if (INTRODUCTIONS.has(request)) this.#introduce();
      this.#host.changed();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refuse(request, `${name}: ${error.message}`, wantsAck && !handler?.replies);
      // A message may have stopped a ring before it turned out to be invalid.
      if (!this.closed) this.#host.changed();
    }
  }

  /**
   * A peer that asked for an acknowledgement can continue after an error; any other would never learn of it,
   * so the connection is closed.
   */
  #refuse(request: number, reason: string, ack: boolean): void {
    if (this.closed) return;
    this.#count('refused');
    if (!ack) {
      this.close(reason);
      return;
    }
    this.#host.refused(reason);
    this.#reply(request, u64(1n));
  }

  async #run(
    handler: MessageHandler | undefined,
    { data, fds, fdsTruncated }: Message,
  ): Promise<Uint8Array | undefined> {
    if (!handler) throw new ProtocolError('not offered');
    if (handler.needs !== undefined && !this.#has(handler.needs))
      throw new ProtocolError('its protocol feature was not negotiated');
    const payload = new DataView(data.buffer, HEADER);
    if (payload.byteLength < handler.minPayload || payload.byteLength > handler.maxPayload) {
      throw new ProtocolError(`a payload of ${payload.byteLength} bytes`);
    }
    if (fdsTruncated || fds.length < handler.minFds || fds.length > handler.maxFds) {
      throw new ProtocolError(descriptorFault(fds.length, fdsTruncated, handler));
    }
    const reply = await handler.handle({ peer: this.peer, host: this.#host, payload, fds });
    return reply ?? undefined;
  }

  #count(name: string): void {
    this.messages.set(name, (this.messages.get(name) ?? 0) + 1);
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

/** "2 descriptors, expected none". */
function descriptorFault(count: number, truncated: boolean, { minFds, maxFds }: MessageHandler): string {
  const got = truncated ? `more than ${count}` : count === 0 ? 'no' : String(count);
  const expected = maxFds === 0 ? 'none' : minFds === maxFds ? String(minFds) : `${minFds} to ${maxFds}`;
  return `${got} ${count === 1 && !truncated ? 'descriptor' : 'descriptors'}, expected ${expected}`;
}
