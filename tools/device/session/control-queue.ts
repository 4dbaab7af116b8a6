// SPDX-License-Identifier: BSD-3-Clause
// The control queue in the device role: the driver's writable buffers are kept until there is a message for
// them, its readable buffers are messages to the device (docs/device-abi.md, "Control queue").
//
// Contract: messages are delivered in order, each in one buffer. A message without a buffer waits, up to a
// limit. Any mistake of the driver results in one call of onError, after which the queue is stopped.
import { vringAvailBytes, vringDescBytes, vringUsedBytes } from '../../../src/abi/virtio-ring.ts';
import { native, type QueueHandle } from '../../../src/native.ts';
import type { DmaMap } from '../vfio-user/dma-table.ts';
import type { DmaRange, DriverMemory, PlacedRanges } from './driver-memory.ts';

export interface ControlQueueSetup {
  readonly desc: bigint;
  readonly avail: bigint;
  readonly used: bigint;
  readonly size: number;
  readonly features: bigint;
  /** Remains the caller's, who must keep it until after `stop`. */
  readonly memory: DriverMemory;
}

export interface ControlQueueHandlers {
  /** The driver sent a message. */
  onMessage(message: DataView): void;
  /** A buffer was used and the driver wants an interrupt. */
  interrupt(): void;
  onError(reason: string): void;
}

interface Buffer {
  readonly head: number;
  readonly segments: readonly DmaRange[];
  readonly length: number;
}

/** A driver that lets this many messages wait is not serving its control queue. */
const MAX_PENDING = 600;
/** No valid message from a driver is longer. */
const MAX_MESSAGE_BYTES = 4096;
/**
 * Bytes of a buffer that are checked before a message is written to it; a buffer may claim to span the whole
 * machine.
 */
const MAX_CHECKED_BYTES = 64 << 10;

export class ControlQueue {
  readonly #handlers: ControlQueueHandlers;
  #queue: QueueHandle | null = null;
  #memory: DriverMemory | null = null;
  #place: PlacedRanges | null = null;
  #ring: readonly DmaRange[] = [];
  #size = 0;
  #buffers: Buffer[] = [];
  #pending: Uint8Array[] = [];

  constructor(handlers: ControlQueueHandlers) {
    this.#handlers = handlers;
  }

  get running(): boolean {
    return this.#memory !== null;
  }

  /** True when no message waits for a buffer. */
  get drained(): boolean {
    return this.#pending.length === 0;
  }

  /** Attaches to the driver's ring. Throws when the ring lies outside the driver's memory or is invalid. */
  start(setup: ControlQueueSetup): void {
    this.stop();
    const { memory, ...ring } = setup;
    const queue = this.#queue ?? native.queueCreate('rx');
    this.#queue = queue;
    this.#ring = [
      { address: setup.desc, bytes: vringDescBytes(setup.size) },
      { address: setup.avail, bytes: vringAvailBytes(setup.size) },
      { address: setup.used, bytes: vringUsedBytes(setup.size) },
    ];
    const place = memory.place(this.#ring);
    try {
      const how = { memory: place.handle, lastAvailIdx: 0, notifyFd: -1, wantKicks: true };
      native.queueStart(queue, { ...ring, ...how });
    } catch (error) {
      native.queueQuiesce(queue);
      place.close();
      throw error;
    }
    this.#memory = memory;
    this.#place = place;
    this.#size = setup.size;
  }

  /** Releases the driver's memory. Idempotent. */
  stop(): void {
    if (!this.#memory) return;
    if (this.#queue !== null) native.queueQuiesce(this.#queue);
    this.#place?.close();
    this.#place = null;
    this.#memory = null;
    this.#buffers = [];
    this.#pending = [];
  }

  close(): void {
    this.stop();
    if (this.#queue !== null) native.queueDestroy(this.#queue);
    this.#queue = null;
  }

  /** Sends a message now, or when the driver posts a buffer. */
  send(message: Uint8Array): void {
    if (!this.#memory) return;
    if (this.#pending.length >= MAX_PENDING) {
      this.#fail('the driver does not post buffers');
      return;
    }
    this.#pending.push(message);
    this.poll();
  }

  /** Takes the buffers that the driver posted and delivers waiting messages. */
  poll(): void {
    // One poll takes at most one ring of chains, so a driver that keeps posting does not starve others.
    for (let n = 0; n < this.#size && this.#takeChain(); n++);
    this.#deliver();
  }

  /** True when the ring or a kept buffer overlaps this map. */
  uses(map: DmaMap): boolean {
    if (!this.#memory) return false;
    const inMap = ({ address, bytes }: DmaRange) =>
      address < map.iova + map.size && map.iova < address + BigInt(bytes);
    return this.#ring.some(inMap) || this.#buffers.some(({ segments }) => segments.some(inMap));
  }

  #takeChain(): boolean {
    const memory = this.#memory;
    if (!memory || this.#queue === null) return false;
    let chain: ReturnType<typeof native.chainTake>;
    try {
      chain = native.chainTake(this.#queue);
    } catch {
      this.#fail('a malformed descriptor chain in the control queue');
      return false;
    }
    if (!chain) return false;
    const readable = chain.segments.filter((segment) => !segment.writable);
    if (readable.length > 0) this.#takeMessage(memory, chain.head, readable);
    else this.#keepBuffer(memory, chain.head, chain.segments);
    return true;
  }

  #takeMessage(memory: DriverMemory, head: number, segments: readonly DmaRange[]): void {
    if (lengthOf(segments) > MAX_MESSAGE_BYTES) {
      this.#fail(`a control message of more than ${MAX_MESSAGE_BYTES} bytes`);
      return;
    }
    // A private copy, because the driver may change its buffer while it is being read.
    const parts = segments.map((segment) => memory.read(segment));
    if (parts.includes(null)) {
      this.#fail('a control message outside its memory');
      return;
    }
    this.#return(head, 0);
    const message = Uint8Array.from(parts.flatMap((part) => [...(part ?? [])]));
    this.#handlers.onMessage(new DataView(message.buffer));
  }

  #keepBuffer(memory: DriverMemory, head: number, segments: readonly DmaRange[]): void {
    const reachable = segments.every(({ address, bytes }) =>
      memory.covers({ address, bytes: Math.min(bytes, MAX_CHECKED_BYTES) }),
    );
    if (reachable) this.#buffers.push({ head, segments, length: lengthOf(segments) });
    else this.#fail('a control buffer outside its memory');
  }

  #deliver(): void {
    while (this.#memory && this.#pending.length > 0 && this.#buffers.length > 0) {
      const message = this.#pending[0] as Uint8Array;
      const buffer = this.#buffers.shift() as Buffer;
      if (buffer.length < message.length) {
        this.#fail(`a control buffer of ${buffer.length} bytes for a message of ${message.length}`);
        return;
      }
      if (!scatter(this.#memory, message, buffer.segments)) {
        this.#fail('a control buffer outside its memory');
        return;
      }
      this.#pending.shift();
      this.#return(buffer.head, message.length);
    }
  }

  #return(head: number, written: number): void {
    if (this.#queue !== null && native.chainReturn(this.#queue, head, written)) this.#handlers.interrupt();
  }

  #fail(reason: string): void {
    this.stop();
    this.#handlers.onError(reason);
  }
}

function lengthOf(segments: readonly DmaRange[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}

function scatter(memory: DriverMemory, message: Uint8Array, segments: readonly DmaRange[]): boolean {
  let rest = message;
  for (const { address, bytes } of segments) {
    if (!memory.write(address, rest.subarray(0, bytes))) return false;
    rest = rest.subarray(bytes);
    if (rest.length === 0) break;
  }
  return true;
}
