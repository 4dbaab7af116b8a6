// SPDX-License-Identifier: BSD-3-Clause
// The control queue: device-writable buffers posted for messages, device-readable ones for replies. A
// malformed message is passed to the caller as such; a device that violates the virtqueue rules causes one
// call of `onBroken`. Exceptions of the caller's `notify` propagate from the call that notified.
import { alignUp } from '../alignment.ts';
import type { DmaMemory } from '../bus/pci-device.ts';
import { PmdError } from '../errors.ts';
import { type LocalRing, localRingBytes } from '../virtio/local-ring.ts';
import {
  type ControlMessage,
  controlBufferBytes,
  type MessageLimits,
  parseMessage,
} from './control-decode.ts';

export interface ControlQueueHandlers {
  onMessage(message: ControlMessage): void;
  /**
   * More messages are pending than one turn of the event loop may handle: call collect() again on a later
   * turn.
   */
  onMore(): void;
  onBroken(error: PmdError): void;
}

/** Maximum number of replies in flight; further ones wait in memory. */
const SEND_SLOTS = 8;
/** More replies than a device with the maximum number of queues has reason to wait for. */
const MAX_WAITING = 1024;
const SEND_SLOT_BYTES = 64;

const slotBytes = (queuePairs: number): number => alignUp(controlBufferBytes(queuePairs), 64);

/**
 * In a small ring half of the entries are for replies; in a large one, all but SEND_SLOTS are for messages.
 */
const sendSlots = (ringSize: number): number => Math.min(SEND_SLOTS, Math.floor(ringSize / 2));

/** Bytes that a control queue needs: ring, message buffers, reply buffers. */
export function controlQueueBytes(ringSize: number, queuePairs: number): number {
  const receive = ringSize - sendSlots(ringSize);
  return (
    alignUp(localRingBytes(ringSize), 64) + receive * slotBytes(queuePairs) + SEND_SLOTS * SEND_SLOT_BYTES
  );
}

export class ControlQueue {
  readonly #ring: LocalRing;
  readonly #memory: DmaMemory;
  readonly #limits: MessageLimits;
  readonly #notify: () => void;
  readonly #handlers: ControlQueueHandlers;
  /** Token t is message buffer t if below #receiveSlots, otherwise reply buffer t - #receiveSlots. */
  readonly #receiveSlots: number;
  readonly #slotBytes: number;
  readonly #receiveStart: number;
  readonly #sendStart: number;
  readonly #freeSend: number[];
  readonly #waiting: Uint8Array[] = [];
  #closed = false;

  /**
   * The queue's controlQueueBytes start at `offset` of `memory`. `notify` writes the device's notification
   * register.
   */
  constructor(
    ring: LocalRing,
    memory: DmaMemory,
    offset: number,
    limits: MessageLimits,
    notify: () => void,
    handlers: ControlQueueHandlers,
  ) {
    if (offset + controlQueueBytes(ring.size, limits.queuePairs) > memory.size) {
      throw new RangeError('The control queue does not fit in its memory');
    }
    this.#ring = ring;
    this.#memory = memory;
    this.#limits = limits;
    this.#notify = notify;
    this.#handlers = handlers;
    const send = sendSlots(ring.size);
    this.#receiveSlots = ring.size - send;
    this.#slotBytes = slotBytes(limits.queuePairs);
    this.#receiveStart = offset + alignUp(localRingBytes(ring.size), 64);
    this.#sendStart = this.#receiveStart + this.#receiveSlots * this.#slotBytes;
    this.#freeSend = Array.from({ length: send }, (_, slot) => slot);
  }

  /**
   * Posts all message buffers. Call after DRIVER_OK: the device must not be notified earlier (VIRTIO 1.2,
   * 3.1.1).
   */
  start(): void {
    for (let slot = 0; slot < this.#receiveSlots; slot++) this.#post(slot);
    this.#kick();
  }

  /**
   * Takes used buffers, at most as many as the ring has entries: a device that never stops must not block the
   * event loop. The rest is taken on a later turn.
   */
  collect(): void {
    if (this.#closed || this.#ring.broken) return;
    let posted = false;
    for (let taken = 0; taken < this.#ring.size; taken++) {
      const chain = this.#next();
      if (chain === null) {
        if (posted) this.#kick();
        return;
      }
      if (chain.token < this.#receiveSlots) {
        this.#receive(chain.token, chain.written);
        posted = true;
      } else {
        this.#freeSend.push(chain.token - this.#receiveSlots);
        this.#flush();
      }
      if (this.#closed) return;
    }
    this.#handlers.onMore();
    this.#kick();
  }

  /**
   * Sends a reply, now or as soon as a buffer is free. A device that never frees one is treated as broken.
   */
  send(message: Uint8Array): void {
    if (this.#closed) return;
    if (this.#waiting.length === MAX_WAITING) {
      this.#closed = true;
      this.#handlers.onBroken(new PmdError('VPCI_BAD_RING', 'The device requests replies but accepts none'));
      return;
    }
    this.#waiting.push(message);
    this.#flush();
  }

  /** Nothing is collected or sent afterwards. */
  close(): void {
    this.#closed = true;
  }

  #next() {
    try {
      return this.#ring.collect();
    } catch (error) {
      this.#handlers.onBroken(error as PmdError);
      return null;
    }
  }

  #receive(slot: number, written: number): void {
    // A private copy: the device can still write to the buffer.
    const start = this.#receiveStart + slot * this.#slotBytes;
    const bytes = new Uint8Array(this.#memory.buffer, start, written).slice();
    // Reposted before the message is handled, so that the device does not run out of buffers because of us.
    this.#post(slot);
    this.#handlers.onMessage(parseMessage(bytes, this.#limits));
  }

  #flush(): void {
    if (this.#closed || this.#ring.broken) return;
    let sent = false;
    while (this.#waiting.length > 0 && this.#freeSend.length > 0) {
      const message = this.#waiting.shift() as Uint8Array;
      const slot = this.#freeSend.pop() as number;
      const start = this.#sendStart + slot * SEND_SLOT_BYTES;
      new Uint8Array(this.#memory.buffer, start, message.length).set(message);
      const piece = { iova: this.#memory.iova + BigInt(start), length: message.length };
      this.#ring.add(this.#receiveSlots + slot, [piece], []);
      sent = true;
    }
    if (sent) this.#kick();
  }

  #post(slot: number): void {
    const start = this.#receiveStart + slot * this.#slotBytes;
    const length = controlBufferBytes(this.#limits.queuePairs);
    this.#ring.add(slot, [], [{ iova: this.#memory.iova + BigInt(start), length }]);
  }

  #kick(): void {
    if (!this.#closed && this.#ring.wantsNotify) this.#notify();
  }
}
