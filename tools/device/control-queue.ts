// SPDX-License-Identifier: BSD-3-Clause
// The control queue in the device role: the driver's writable buffers are kept until there is a message for them, its
// readable ones are messages to us (docs/device-abi.md, "Control queue").
//
// Contract: messages are delivered in order, each in one buffer. A message for which there is no buffer waits, up to a bound.
// Whatever the driver does wrong ends in one call of onError, after which the queue is stopped.
import { vringAvailBytes, vringDescBytes, vringUsedBytes } from '../../src/abi/virtio-ring.ts';
import { type MappingHandle, native, type QueueHandle } from '../../src/native.ts';
import type { DmaMap } from './dma-table.ts';
import type { DriverMemory } from './driver-memory.ts';

export interface ControlQueueSetup {
  readonly desc: bigint;
  readonly avail: bigint;
  readonly used: bigint;
  readonly size: number;
  readonly features: bigint;
  /** Stays the caller's, who keeps it until after `stop`. */
  readonly memory: DriverMemory;
}

export interface ControlQueueHandlers {
  /** A message of the driver. */
  onMessage(message: DataView): void;
  /** A buffer was used and the driver wants to know. */
  interrupt(): void;
  onError(reason: string): void;
}

interface Segment {
  readonly mapping: MappingHandle;
  readonly offset: number;
  readonly length: number;
  readonly writable: boolean;
}

interface Buffer {
  readonly head: number;
  readonly segments: readonly Segment[];
  readonly length: number;
}

/** A driver that lets this many messages wait does not work its control queue. */
const MAX_PENDING = 600;
/** No message of a driver is longer. */
const MAX_MESSAGE_BYTES = 4096;

export class ControlQueue {
  readonly #handlers: ControlQueueHandlers;
  #queue: QueueHandle | null = null;
  #memory: DriverMemory | null = null;
  #ring: readonly { readonly address: bigint; readonly bytes: number }[] = [];
  #size = 0;
  #buffers: Buffer[] = [];
  #pending: Uint8Array[] = [];

  constructor(handlers: ControlQueueHandlers) {
    this.#handlers = handlers;
  }

  get running(): boolean {
    return this.#memory !== null;
  }

  /** Nothing waits for a buffer. */
  get drained(): boolean {
    return this.#pending.length === 0;
  }

  /** Joins the driver's ring. Throws when it lies outside the driver's memory or makes no sense. */
  start(setup: ControlQueueSetup): void {
    this.stop();
    const { memory, ...ring } = setup;
    const queue = this.#queue ?? native.queueCreate('rx');
    this.#queue = queue;
    try {
      const place = { memory: memory.handle, lastAvailIdx: 0, notifyFd: -1, wantKicks: true };
      native.queueStart(queue, { ...ring, ...place });
    } catch (error) {
      native.queueQuiesce(queue);
      throw error;
    }
    this.#memory = memory;
    this.#ring = [
      { address: setup.desc, bytes: vringDescBytes(setup.size) },
      { address: setup.avail, bytes: vringAvailBytes(setup.size) },
      { address: setup.used, bytes: vringUsedBytes(setup.size) },
    ];
    this.#size = setup.size;
  }

  /** Lets go of the driver's memory. Idempotent. */
  stop(): void {
    if (!this.#memory) return;
    if (this.#queue !== null) native.queueQuiesce(this.#queue);
    this.#memory = null;
    this.#buffers = [];
    this.#pending = [];
  }

  close(): void {
    this.stop();
    if (this.#queue !== null) native.queueDestroy(this.#queue);
    this.#queue = null;
  }

  /** Sends now or when the driver posts a buffer. */
  send(message: Uint8Array): void {
    if (!this.#memory) return;
    if (this.#pending.length >= MAX_PENDING) {
      this.#fail('the driver does not post buffers');
      return;
    }
    this.#pending.push(message);
    this.poll();
  }

  /** Takes what the driver posted, delivers what waits. */
  poll(): void {
    // A turn takes at most a ring of chains: a driver that posts for ever gets no more than its share.
    for (let n = 0; n < this.#size && this.#takeChain(); n++);
    this.#deliver();
  }

  /** True when the ring or a buffer that is kept lies in this map. */
  uses(map: DmaMap): boolean {
    const memory = this.#memory;
    if (!memory) return false;
    const inMap = (start: bigint, bytes: number) =>
      start < map.iova + map.size && map.iova < start + BigInt(bytes);
    if (this.#ring.some(({ address, bytes }) => inMap(address, bytes))) return true;
    return this.#buffers.some(({ segments }) =>
      segments.some(({ mapping, offset, length }) => {
        const address = memory.addressOf(mapping, offset);
        return address !== undefined && inMap(address, length);
      }),
    );
  }

  #takeChain(): boolean {
    if (!this.#memory || this.#queue === null) return false;
    let chain: ReturnType<typeof native.chainTake>;
    try {
      chain = native.chainTake(this.#queue);
    } catch {
      this.#fail('a malformed chain in the control queue');
      return false;
    }
    if (!chain) return false;
    const readable = chain.segments.filter((segment) => !segment.writable);
    if (readable.length > 0) {
      const message = gather(readable);
      this.#return(chain.head, 0);
      if (message) this.#handlers.onMessage(message);
      else this.#fail(`a control message of more than ${MAX_MESSAGE_BYTES} bytes`);
    } else {
      const length = chain.segments.reduce((sum, segment) => sum + segment.length, 0);
      this.#buffers.push({ head: chain.head, segments: chain.segments, length });
    }
    return true;
  }

  #deliver(): void {
    while (this.#memory && this.#pending.length > 0 && this.#buffers.length > 0) {
      const message = this.#pending[0] as Uint8Array;
      const buffer = this.#buffers.shift() as Buffer;
      if (buffer.length < message.length) {
        this.#fail(`a control buffer of ${buffer.length} bytes for a message of ${message.length}`);
        return;
      }
      this.#pending.shift();
      scatter(message, buffer.segments);
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

/** A private copy: the driver may change its buffer while it is read. */
function gather(segments: readonly Segment[]): DataView | null {
  const length = segments.reduce((sum, segment) => sum + segment.length, 0);
  if (length > MAX_MESSAGE_BYTES) return null;
  const message = new Uint8Array(length);
  let at = 0;
  for (const segment of segments) {
    message.set(new Uint8Array(native.mappingBuffer(segment.mapping), segment.offset, segment.length), at);
    at += segment.length;
  }
  return new DataView(message.buffer);
}

function scatter(message: Uint8Array, segments: readonly Segment[]): void {
  let rest = message;
  for (const segment of segments) {
    const part = rest.subarray(0, segment.length);
    new Uint8Array(native.mappingBuffer(segment.mapping), segment.offset, part.length).set(part);
    rest = rest.subarray(part.length);
    if (rest.length === 0) return;
  }
}
