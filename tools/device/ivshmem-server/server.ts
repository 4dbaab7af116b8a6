// SPDX-License-Identifier: BSD-3-Clause
// QEMU's ivshmem-doorbell protocol (docs/specs/ivshmem-spec.rst): hands each client the memory, an id, and
// eventfds for its own vectors and those of the others. The server only sends.
//
// QEMU's client needs more than the protocol says. It frees what belongs to an id that is gone and then uses
// it if the id comes back: so no id is ever used twice, nor called gone before it came. It cannot take a
// vector of its own once its guest drives it: so all of them are sent at once, at connect. Its guest's
// doorbell must not block: so the eventfds are non-blocking.
import {
  SECTION_HEADER,
  SECTION_MAGIC,
  SECTION_STATE_RESET,
  SECTION_VECTOR_STATE,
} from '../../../src/abi/section.ts';
import { PmdError } from '../../../src/errors.ts';
import { native, type SocketAccess } from '../../../src/native.ts';
import { closeAll } from '../../socket/fds.ts';
import { DISCONNECTED, departure, type Framing } from '../../socket/frame-reader.ts';
import { FramedSocket } from '../../socket/framed-socket.ts';
import { faultReason, runAll } from '../../socket/guard.ts';
import type { Device } from '../device.ts';
import { type Log, logTo } from '../log.ts';
import { checkSharedBytes, DEFAULT_SHARED_BYTES, SharedFile } from '../pair/memory.ts';
import { SocketListener } from '../socket/listener.ts';

export interface IvshmemServerOptions {
  /** Path of the socket. */
  readonly path: string;
  /** Bytes of memory, a power of two. */
  readonly size?: number;
  /** Vectors of each client, 1 to MAX_VECTORS; QEMU's vectors= has to be the same. */
  readonly vectors?: number;
  /** Id of the first client, default 0: QEMU's arrays are as large as the largest id. */
  readonly firstId?: number;
  readonly socketAccess?: SocketAccess;
  readonly log?: (line: string) => void;
  readonly verbose?: boolean;
}

export const MAX_VECTORS = 16;
export const DEFAULT_VECTORS = 2;
/** With as many vectors each, what a new client is sent fits in the queue of its socket. */
const MAX_CLIENTS = 15;
const MAX_IDS = 65_536;
const VERSION = 0n;
const MEMORY = -1n;

/** A client has nothing to say. */
const SILENCE: Framing = {
  headerBytes: 1,
  maxFds: 0,
  payloadBytes: () => 'it sent something, and this protocol is for the server only',
};

interface Client {
  readonly id: number;
  readonly socket: FramedSocket;
  readonly vectors: number[];
}

/** Starts the server on this thread's event loop. Throws PmdError for an invalid option or socket path. */
export function createIvshmemServer(options: IvshmemServerOptions): Device {
  return new IvshmemServer(options);
}

class IvshmemServer implements Device {
  readonly #log: Log;
  readonly #memory: SharedFile;
  readonly #vectors: number;
  readonly #listener: SocketListener;
  readonly #clients = new Map<number, Client>();
  readonly #sides: readonly SideState[];
  #nextId: number;
  #closed = false;

  constructor(options: IvshmemServerOptions) {
    const { size = DEFAULT_SHARED_BYTES, vectors = DEFAULT_VECTORS } = options;
    checkSharedBytes(size);
    if (!Number.isInteger(vectors) || vectors < 1 || vectors > MAX_VECTORS)
      throw new PmdError('VPCI_USAGE', `${vectors} vectors: choose 1 to ${MAX_VECTORS}`);
    this.#vectors = vectors;
    this.#nextId = options.firstId ?? 0;
    this.#log = logTo(options.log ?? (() => {}), options.verbose ?? false);
    this.#memory = new SharedFile('ivshmem', size);
    this.#sides = [0, size / 2].map((offset) => sideState(this.#memory, offset));
    const { path, socketAccess = {} } = options;
    try {
      this.#listener = new SocketListener(path, socketAccess, (fd) => this.#connected(fd), this.#log);
    } catch (error) {
      this.#memory.close();
      throw error;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
    for (const { socket } of [...this.#clients.values()]) socket.close('the server is stopping');
    this.#memory.close();
    this.#log.close();
  }

  /** Owns the descriptor, unless it throws. */
  #connected(fd: number): void {
    this.#dropHungUp();
    if (this.#clients.size >= MAX_CLIENTS) throw new Error(`${MAX_CLIENTS} clients are connected already`);
    if (this.#nextId >= MAX_IDS) throw new Error('all ids have been used: start the server again');
    const vectors: number[] = [];
    try {
      for (let i = 0; i < this.#vectors; i++) vectors.push(native.eventfd());
    } catch (error) {
      closeAll(vectors);
      throw error;
    }
    const id = this.#nextId++;
    const socket: FramedSocket = new FramedSocket(fd, SILENCE, {
      onMessage: () => {},
      onClosed: (reason) => this.#gone(client, reason),
      onFault: (error) => this.#log.event(`after client ${id} disconnected: ${faultReason(error)}`),
    });
    const client = { id, socket, vectors };
    this.#log.event(`client ${id} connected`);
    this.#introduce(client);
  }

  /** The new client is told of everybody, itself last, and then everybody of the new client. */
  #introduce(client: Client): void {
    const { socket, id } = client;
    const others = [...this.#clients.values()];
    socket.send(message(VERSION));
    socket.send(message(BigInt(id)));
    socket.send(message(MEMORY), [this.#memory.file.fd]);
    for (const other of others) sendVectors(socket, other);
    sendVectors(socket, client);
    // One that has been given up meanwhile is not announced, and must not be called gone.
    if (socket.closed) return;
    this.#clients.set(id, client);
    for (const other of others) sendVectors(other.socket, client);
  }

  #gone(client: Client, reason: string): void {
    const announced = this.#clients.delete(client.id);
    this.#log.event(departure(`client ${client.id}`, reason));
    const others = [...this.#clients.values()];
    runAll(
      (error) => this.#log.event(faultReason(error)),
      () => closeAll(client.vectors),
      // While the server stops, the memory may still be in use by those that stay behind.
      () => this.#closed || this.#resetStates(client.id),
      ...others.flatMap(({ socket, vectors }) => [
        () => announced && socket.send(message(BigInt(client.id))),
        // Guests are not told who is gone; the one whose peer it was looks at the states again.
        // That one may be gone too, with its own departure to be told next.
        () => !socket.closed && native.eventfdSignal(vectors[SECTION_VECTOR_STATE] ?? -1),
      ]),
    );
  }

  /** Sides in the layout of RFC 2.1 name the id that drives them. */
  #resetStates(id: number): void {
    for (const side of this.#sides) if (side.driver() === id) side.reset();
  }

  /** A client that was replaced at once may have left without that having been read. */
  #dropHungUp(): void {
    for (const { socket } of [...this.#clients.values()]) if (socket.hungUp) socket.close(DISCONNECTED);
  }
}

interface SideState {
  /** Id of the client that drives this half of the memory; null for none, or for another layout. */
  driver(): number | null;
  reset(): void;
}

function sideState(memory: SharedFile, offset: number): SideState {
  const { fields } = SECTION_HEADER;
  const page = memory.page(offset);
  return {
    driver: () => {
      if (page.read(fields.magic.offset) !== SECTION_MAGIC) return null;
      const doorbell = page.read(fields.doorbell.offset);
      return doorbell === 0 ? null : doorbell - 1;
    },
    reset: () => page.write(fields.state.offset, SECTION_STATE_RESET),
  };
}

function sendVectors(socket: FramedSocket, { id, vectors }: Client): void {
  for (const vector of vectors) socket.send(message(BigInt(id)), [vector]);
}

/** A little-endian signed number of 64 bits. */
function message(value: bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigInt64(0, value, true);
  return new Uint8Array(view.buffer);
}
