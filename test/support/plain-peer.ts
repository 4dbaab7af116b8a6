// SPDX-License-Identifier: BSD-3-Clause
// A peer that has negotiated only VERSION_1. It passes received packets to a queue as plain frames, so that
// their receiver checks every checksum.
import { VIRTIO_NET_HDR } from '../../src/abi/virtio-net.ts';
import { VIRTIO_F_VERSION_1 } from '../../src/abi/virtio-ring.ts';
import { type MbufVector, Mempool } from '../../src/ethdev/mempool.ts';
import type { TxQueue } from '../../src/ethdev/port.ts';
import { native } from '../../src/native.ts';
import { features } from '../../src/virtio/features.ts';
import { ScriptedRing } from './scripted-ring.ts';

const GPA = 0x4000_0000n;
const BYTES = 1 << 20;
const RING = { desc: 0, avail: 0x4000, used: 0x8000, size: 64 };
const BUFFER = 2048;

/** As a TX queue: packets for the peer. */
export class PlainPeer implements TxQueue {
  readonly #next: TxQueue;
  readonly #mapping = native.mapAnonymous(BYTES, false);
  readonly #memory = native.memoryCreate([
    { gpa: GPA, size: BigInt(BYTES), mapping: this.#mapping, offset: 0 },
  ]);
  readonly #queue = native.queueCreate('tx');
  readonly #ring = new ScriptedRing({
    memory: native.mappingBuffer(this.#mapping),
    gpa: GPA,
    ring: RING,
    buffers: { first: 0x10000, end: BYTES },
    startIndex: 0,
    inOrder: false,
  });
  readonly #pool = new Mempool({ count: 256, hugepages: false });
  readonly #pkts = this.#pool.vector(1);
  #received = 0;
  #longest = 0;
  #lost = 0;

  constructor(next: TxQueue) {
    this.#next = next;
    const setup = { memory: this.#memory, ...this.#ring.setup() };
    native.queueStart(this.#queue, { ...setup, features: features(VIRTIO_F_VERSION_1), notifyFd: -1 });
  }

  /** A packet may need more than one ring full of buffers: then it is given again what is left of it. */
  burst(pkts: MbufVector, from: number, to: number): number {
    let taken = 0;
    for (let idle = false; from + taken < to && !idle; ) {
      // All at once: their memory is reused once all have come back.
      if (this.#ring.free === RING.size)
        for (let i = 0; i < RING.size; i++) this.#ring.post([{ room: BUFFER }]);
      const now = native.txBurst(this.#queue, pkts.handle, from + taken, to);
      taken += now;
      const frames = this.#ring.collect();
      idle = now === 0 && frames.length === 0;
      for (const { written } of frames) this.#pass(written.subarray(VIRTIO_NET_HDR.size));
    }
    return taken;
  }

  #pass(frame: Uint8Array): void {
    this.#received++;
    this.#longest = Math.max(this.#longest, frame.length);
    this.#pool.alloc(this.#pkts, 1);
    const [id] = this.#pkts.ids;
    this.#pool.bytes.set(frame, id * this.#pool.stride + this.#pool.dataOff[id]);
    this.#pool.dataLen[id] = frame.length;
    this.#pool.pktLen[id] = frame.length;
    if (this.#next.burst(this.#pkts, 0, 1) === 1) return;
    this.#lost++;
    this.#pool.free(this.#pkts, 0, 1);
  }

  /** Releases everything and returns the counters. */
  close() {
    const [sent, , errors] = [...new BigUint64Array(native.queueStats(this.#queue))].map(Number);
    native.queueDestroy(this.#queue);
    native.memoryDestroy(this.#memory);
    this.#pool.close();
    native.unmap(this.#mapping);
    return { sent, errors, received: this.#received, longest: this.#longest, lost: this.#lost };
  }
}
