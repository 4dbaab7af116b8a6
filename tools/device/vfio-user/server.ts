// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user server: listens, admits one client at a time, negotiates the version, dispatches commands and
// sends error replies. The commands themselves are in commands.ts.
import { decode, encode } from '../../../src/abi/layout.ts';
import {
  VFIO_USER,
  VFIO_USER_F_ERROR,
  VFIO_USER_F_NO_REPLY,
  VFIO_USER_F_TYPE_COMMAND,
  VFIO_USER_F_TYPE_MASK,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_HEADER,
  VFIO_USER_MAX_MESSAGE,
  VFIO_USER_MAX_MSG_FDS,
  VFIO_USER_VERSION,
} from '../../../src/abi/vfio-user.ts';
import type { SocketAccess } from '../../../src/native.ts';
import { Deadline } from '../../socket/deadline.ts';
import { closeQuietly, ownedBy } from '../../socket/fds.ts';
import { DISCONNECTED, departure, type Framing, type Message } from '../../socket/frame-reader.ts';
import { FramedSocket } from '../../socket/framed-socket.ts';
import { after, faultReason, guarded, soon, type Timer } from '../../socket/guard.ts';
import type { Log } from '../log.ts';
import { SocketListener } from '../socket/listener.ts';
import { WaitingRoom } from '../socket/waiting-room.ts';
import {
  beginsVhostUser,
  explainStray,
  SPEAKS_VHOST_USER,
  VHOST_USER_MARK_BYTES,
} from '../socket/wrong-socket.ts';
import { COMMAND_HANDLERS, type VfioReply, type VfioTarget } from './commands.ts';
import { EBUSY, EINVAL, EIO, ENOSYS, VfioError } from './vfio-error.ts';

const HEADER = VFIO_USER_HEADER.size;
/** Clients that may wait for their EBUSY reply; any more are disconnected at once. */
const MAX_TURNED_AWAY = 8;
const TURN_AWAY_MS = 1000;
const HANDSHAKE_MS = 10_000;

export const VFIO_USER_FRAMING: Framing = {
  headerBytes: HEADER,
  maxFds: VFIO_USER_MAX_MSG_FDS,
  payloadBytes(header) {
    const { command, size, flags } = decode(VFIO_USER_HEADER, header);
    if ((flags & VFIO_USER_F_TYPE_MASK) !== VFIO_USER_F_TYPE_COMMAND)
      return `message ${command} is not a command`;
    if (size < HEADER || size > VFIO_USER_MAX_MESSAGE) return `message ${command} is ${size} bytes long`;
    return size - HEADER;
  },
  early: {
    bytes: VHOST_USER_MARK_BYTES,
    fault: (head) => (beginsVhostUser(head) ? SPEAKS_VHOST_USER : null),
  },
};

export interface VfioUserServerOptions {
  readonly access?: SocketAccess;
  readonly handshakeMs?: number | undefined;
  /** Path of the vhost-user socket, to name it to a peer that connected here by mistake. */
  readonly peersSocket?: string;
}

export class VfioUserServer {
  readonly #path: string;
  readonly #target: VfioTarget;
  readonly #log: Log;
  #listener: SocketListener | null = null;
  #client: FramedSocket | null = null;
  /** Null until VERSION; then the number of descriptors that the client accepts with one message. */
  #clientMaxFds: number | null = null;
  /** Runs until a version is agreed. */
  readonly #handshake = new Deadline((error) => this.disconnect(faultReason(error)));
  readonly #turnedAway = new Set<FramedSocket>();
  readonly #room = new WaitingRoom();
  readonly #access: SocketAccess;
  readonly #handshakeMs: number;
  readonly #peersSocket: string;

  constructor(path: string, target: VfioTarget, log: Log, options: VfioUserServerOptions = {}) {
    this.#path = path;
    this.#target = target;
    this.#log = log;
    this.#access = options.access ?? {};
    this.#handshakeMs = options.handshakeMs ?? HANDSHAKE_MS;
    this.#peersSocket = options.peersSocket ?? 'the other socket';
  }

  get listening(): boolean {
    return this.#listener !== null;
  }

  get connected(): boolean {
    return this.#client !== null;
  }

  /** Throws when the path cannot be used. */
  listen(): void {
    this.#listener ??= new SocketListener(this.#path, this.#access, (fd) => this.#accept(fd), this.#log);
  }

  stopListening(): void {
    this.#listener?.close();
    this.#listener = null;
    for (const fd of this.#room.clear()) closeQuietly(fd);
  }

  /** Ends the driver's connection. */
  disconnect(reason: string): void {
    this.#client?.close(reason);
  }

  close(): void {
    this.stopListening();
    for (const socket of [...this.#turnedAway]) socket.close('');
    this.disconnect('the device model is stopping');
  }

  #accept(fd: number): void {
    // A driver that reconnects at once may arrive before the end of its old connection has been read.
    if (this.#client?.hungUp) this.#client.close(DISCONNECTED);
    if (this.#client) {
      if (this.#clientMaxFds !== null || !this.#room.add(fd)) this.#turnAway(fd);
      return;
    }
    this.#clientMaxFds = null;
    const handlers = {
      onMessage: (message: Message) => this.#handle(client, message),
      onClosed: (reason: string) => this.#clientGone(reason),
      onFault: (error: unknown) => this.#log.event(`after the driver disconnected: ${faultReason(error)}`),
    };
    const client: FramedSocket = new FramedSocket(fd, VFIO_USER_FRAMING, handlers, this.#handshakeMs);
    this.#client = client;
    this.#handshake.start(this.#handshakeMs, () => client.close('it connected but agreed on no version'));
    this.#log.event('driver connected');
    guarded(
      () => this.#target.attached(),
      (error) => client.close(faultReason(error)),
    );
  }

  #clientGone(reason: string): void {
    this.#handshake.end();
    this.#client = null;
    // Scheduled first, because what follows may throw.
    soon(
      () => this.#takeNext(),
      (error) => this.#log.event(`dropped the next driver: ${faultReason(error)}`),
    );
    this.#target.detached();
    this.#log.event(departure('driver', this.#explain(reason)));
  }

  #explain(reason: string): string {
    return explainStray(reason, { vhostUser: this.#peersSocket, vfioUser: this.#path });
  }

  #takeNext(): void {
    const fd = this.#listener ? this.#room.next() : null;
    if (fd !== null) ownedBy(fd, () => this.#accept(fd));
  }

  /** The client has agreed on a version: turns away the connections that wait for its place. */
  #settled(): void {
    this.#handshake.end();
    for (const fd of this.#room.clear()) this.#turnAway(fd);
  }

  /** One driver at a time: any other gets EBUSY in reply to its first message. */
  #turnAway(fd: number): void {
    this.#log.event('another driver refused: the device is in use');
    const socket: FramedSocket = new FramedSocket(fd, VFIO_USER_FRAMING, {
      onMessage: (message) => {
        sendReply(socket, message, null, EBUSY);
        socket.close('the device is in use');
      },
      onClosed: (reason) => {
        timer.cancel();
        this.#turnedAway.delete(socket);
        if (reason === SPEAKS_VHOST_USER) this.#log.event(`that was not a driver: ${this.#explain(reason)}`);
      },
      onFault: (error) => this.#log.event(`while refusing another driver: ${faultReason(error)}`),
    });
    const timer: Timer = after(
      TURN_AWAY_MS,
      () => socket.close('it sent nothing'),
      () => {},
    );
    this.#turnedAway.add(socket);
    if (this.#turnedAway.size > MAX_TURNED_AWAY) socket.close('too many are waiting');
  }

  #handle(client: FramedSocket, message: Message): void {
    const { command } = decode(VFIO_USER_HEADER, message.data);
    const handler = COMMAND_HANDLERS.get(command);
    try {
      const reply = command === VFIO_USER.VERSION ? this.#version(message) : this.#run(message);
      sendReply(client, message, reply, 0);
      this.#log.trace(`driver: ${handler?.name ?? command} done`);
    } catch (error) {
      sendReply(client, message, null, error instanceof VfioError ? error.errno : EIO);
      this.#log.trace(
        `driver: ${handler?.name ?? `command ${command}`} refused: ${(error as Error).message}`,
      );
      // Without an agreed version the connection cannot continue.
      if (this.#clientMaxFds === null) client.close((error as Error).message);
    }
  }

  #run({ data, fds, fdsTruncated }: Message): VfioReply {
    const { command } = decode(VFIO_USER_HEADER, data);
    if (this.#clientMaxFds === null) throw new VfioError(EINVAL, `command ${command} before VERSION`);
    const handler = COMMAND_HANDLERS.get(command);
    if (!handler) throw new VfioError(ENOSYS, `unknown command ${command}`);
    const payload = new DataView(data.buffer, HEADER);
    if (payload.byteLength < handler.minPayload)
      throw new VfioError(EINVAL, `${payload.byteLength} bytes of payload`);
    if (fdsTruncated || fds.length > handler.maxFds) {
      const got = `${fdsTruncated ? 'more than ' : ''}${fds.length}`;
      throw new VfioError(EINVAL, `${got} descriptors, expected at most ${handler.maxFds}`);
    }
    return handler.handle({ target: this.#target, payload, fds, clientMaxFds: this.#clientMaxFds });
  }

  #version({ data, fds }: Message): VfioReply {
    if (this.#clientMaxFds !== null) throw new VfioError(EINVAL, 'VERSION twice');
    const payload = new DataView(data.buffer, HEADER);
    if (payload.byteLength < VFIO_USER_VERSION.size || fds.length > 0)
      throw new VfioError(EINVAL, 'a malformed VERSION');
    const { major, minor } = decode(VFIO_USER_VERSION, payload);
    if (major !== 0) throw new VfioError(EINVAL, `protocol version ${major}.${minor}`);
    this.#clientMaxFds = clientMaxFds(payload);
    this.#settled();
    return { payload: versionReply(payload.byteLength) };
  }
}

/** For a client that does not send max_msg_fds (vfio-user.rst, VFIO_USER_VERSION). */
const DEFAULT_MAX_FDS = 1;

/** max_msg_fds of the client's JSON. */
function clientMaxFds(payload: DataView): number {
  const bytes = new Uint8Array(payload.buffer, payload.byteOffset + VFIO_USER_VERSION.size);
  if (bytes.length === 0) return DEFAULT_MAX_FDS;
  if (bytes.at(-1) !== 0 || bytes.length > 4096)
    throw new VfioError(EINVAL, 'a version string that is too long or not terminated');
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, -1)));
  } catch {
    throw new VfioError(EINVAL, 'a version string that is not JSON');
  }
  const value = property(property(json, 'capabilities') ?? {}, 'max_msg_fds') ?? DEFAULT_MAX_FDS;
  if (!Number.isInteger(value) || (value as number) < 1)
    throw new VfioError(EINVAL, 'max_msg_fds is not a positive integer');
  // The most that src/native.ts sends with one message.
  return Math.min(value as number, 64);
}

function property(json: unknown, name: string): unknown {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new VfioError(EINVAL, 'a version string that is not an object');
  return Object.hasOwn(json, name) ? (json as Record<string, unknown>)[name] : undefined;
}

/** QEMU receives the reply in the request's buffer, so the reply must not be longer than the request. */
function versionReply(requestBytes: number): Uint8Array {
  const capabilities = JSON.stringify({ capabilities: { max_msg_fds: VFIO_USER_MAX_MSG_FDS } });
  const text = new TextEncoder().encode(`${capabilities}\0`);
  const fits = VFIO_USER_VERSION.size + text.length <= requestBytes;
  const reply = new Uint8Array(VFIO_USER_VERSION.size + (fits ? text.length : 0));
  if (fits) reply.set(text, VFIO_USER_VERSION.size);
  return reply;
}

function sendReply(socket: FramedSocket, { data }: Message, reply: VfioReply | null, error: number): void {
  const { id, command, flags } = decode(VFIO_USER_HEADER, data);
  if (flags & VFIO_USER_F_NO_REPLY) return;
  const payload = reply?.payload ?? new Uint8Array(0);
  const message = new Uint8Array(HEADER + payload.length);
  const type = VFIO_USER_F_TYPE_REPLY | (reply ? 0 : VFIO_USER_F_ERROR);
  encode(
    VFIO_USER_HEADER,
    { id, command, size: message.length, flags: type, error },
    new DataView(message.buffer),
  );
  message.set(payload, HEADER);
  socket.send(message, reply?.fds);
}
