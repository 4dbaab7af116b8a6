// SPDX-License-Identifier: BSD-3-Clause
// A front-end with a terabyte of memory that it never touches: its rings name a different hole with each
// packet.
import { VRING_DESC_F_WRITE } from '../../src/abi/virtio-ring.ts';
import { native } from '../../src/native.ts';
import { GPA, MEMORY_BYTES, ringOffsets, TestPeer } from '../../tools/device/test-help/peer.test-help.ts';

const ENTRIES = 256;
const BYTES = 60 << 10;
const TX = 1;
const RX = 0;

export class HoleSender {
  readonly peer: TestPeer;
  #next = MEMORY_BYTES;
  #sent = 0;
  #closed = false;

  constructor(socket: string, memoryBytes: number) {
    this.peer = new TestPeer(native.unixConnect(socket), memoryBytes);
  }

  async start(): Promise<void> {
    await this.peer.start();
  }

  /**
   * Sends (or posts for receiving) as many holes as the ring has room for; returns how many have come back
   * since the start.
   */
  fill(what: 'sent' | 'received' = 'sent'): number {
    const { view } = this.peer;
    const { desc, avail, used } = ringOffsets(what === 'sent' ? TX : RX);
    const back = view.getUint16(used + 2, true);
    while (((this.#sent - back) & 0xffff) < ENTRIES) {
      const slot = this.#sent % ENTRIES;
      view.setBigUint64(desc + 16 * slot, GPA + BigInt(this.#next), true);
      view.setUint32(desc + 16 * slot + 8, BYTES, true);
      view.setUint16(desc + 16 * slot + 12, what === 'sent' ? 0 : VRING_DESC_F_WRITE, true);
      view.setUint16(avail + 4 + 2 * slot, slot, true);
      this.#sent = (this.#sent + 1) & 0xffff;
      view.setUint16(avail + 2, this.#sent, true);
      this.#next += BYTES;
    }
    return this.#next / BYTES;
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.peer.close();
  }
}
