// SPDX-License-Identifier: BSD-3-Clause
// The peer behind a vhost-pci function: a memory file with rings, worked by hand in the role of a virtio-net
// driver.
import { native } from '../../src/native.ts';
import type { RingRecord } from './fake-vhost-pci.ts';

export const PEER_BYTES = 1 << 20;
/** Guest-physical address of the file's first byte. */
export const PEER_GPA = 0x4000_0000n;
const RING_STRIDE = 0x4000;
const BUFFERS = 0x40000;
const BUFFER_BYTES = 2048;

export class RemotePeer {
  readonly fd: number;
  readonly #mapping;
  readonly view: DataView;
  readonly bytes: Uint8Array;

  constructor() {
    this.fd = native.memfdCreate('peer', PEER_BYTES, false);
    this.#mapping = native.mapFd(this.fd, 0, PEER_BYTES, true);
    const buffer = native.mappingBuffer(this.#mapping);
    this.view = new DataView(buffer);
    this.bytes = new Uint8Array(buffer);
  }

  /** Ring `index` of `size` entries as REMOTE_QUEUES describes it. */
  ring(index: number, size = 16, change: Partial<RingRecord> = {}): RingRecord {
    const base = PEER_GPA + BigInt(index * RING_STRIDE);
    return {
      enable: 1,
      num: size,
      desc: base,
      avail: base + 0x2000n,
      used: base + 0x3000n,
      last: 0,
      ...change,
    };
  }

  /** Makes buffer `slot` available on ring `index`: `data` to send, or an empty buffer to receive. */
  post(index: number, size: number, data: Uint8Array | null, slot: number): void {
    const base = index * RING_STRIDE;
    const buffer = BUFFERS + (index * 64 + (slot % 64)) * BUFFER_BYTES;
    if (data) this.bytes.set(data, buffer);
    const desc = base + 16 * (slot % size);
    this.view.setBigUint64(desc, PEER_GPA + BigInt(buffer), true);
    this.view.setUint32(desc + 8, data ? data.length : BUFFER_BYTES, true);
    this.view.setUint16(desc + 12, data ? 0 : 2, true);
    const idx = this.view.getUint16(base + 0x2002, true);
    this.view.setUint16(base + 0x2004 + 2 * (idx % size), slot % size, true);
    this.view.setUint16(base + 0x2002, idx + 1, true);
  }

  usedIdx(index: number): number {
    return this.view.getUint16(index * RING_STRIDE + 0x3002, true);
  }

  setAvailIdx(index: number, value: number): void {
    this.view.setUint16(index * RING_STRIDE + 0x2002, value, true);
  }

  /** Frame in buffer `slot` of ring `index`, without the virtio-net header. */
  received(index: number, slot: number, length: number): Uint8Array {
    const buffer = BUFFERS + (index * 64 + slot) * BUFFER_BYTES + 12;
    return this.bytes.slice(buffer, buffer + length);
  }

  close(): void {
    native.unmap(this.#mapping);
    native.close(this.fd);
  }
}

/** A frame with its virtio-net header of zeros. */
export function frameWithHeader(length: number, fill: number): Uint8Array {
  const frame = new Uint8Array(12 + length).fill(fill);
  frame.fill(0, 0, 12);
  return frame;
}
