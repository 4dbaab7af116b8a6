// SPDX-License-Identifier: BSD-3-Clause
// The device side of a split ring, for scripted devices: it checks nothing and can misreport on purpose.
import { VRING_DESC_F_NEXT, VRING_DESC_F_WRITE } from '../../src/abi/virtio-ring.ts';

export interface TakenChain {
  readonly head: number;
  readonly segments: readonly { readonly bytes: Uint8Array; readonly writable: boolean }[];
}

/** Memory as the device sees it: `length` bytes at `iova`. */
export type DeviceMemory = (iova: bigint, length: number) => Uint8Array;

export class DeviceRing {
  readonly #memory: DeviceMemory;
  readonly #addresses: { desc: bigint; driver: bigint; device: bigint };
  readonly #size: number;
  #lastAvail = 0;
  #usedIdx = 0;

  constructor(
    memory: DeviceMemory,
    addresses: { desc: bigint; driver: bigint; device: bigint },
    size: number,
  ) {
    this.#memory = memory;
    this.#addresses = addresses;
    this.#size = size;
  }

  /** Chains that the driver has made available and that have not been taken. */
  get pending(): number {
    return (this.#view(this.#addresses.driver, 4).getUint16(2, true) - this.#lastAvail) & 0xffff;
  }

  take(): TakenChain | null {
    if (this.pending === 0) return null;
    const slot = 4 + 2 * (this.#lastAvail % this.#size);
    const head = this.#view(this.#addresses.driver, slot + 2).getUint16(slot, true);
    this.#lastAvail = (this.#lastAvail + 1) & 0xffff;
    const segments: { bytes: Uint8Array; writable: boolean }[] = [];
    for (let index = head, more = true; more; ) {
      const desc = this.#view(this.#addresses.desc + BigInt(16 * index), 16);
      const flags = desc.getUint16(12, true);
      const bytes = this.#memory(desc.getBigUint64(0, true), desc.getUint32(8, true));
      segments.push({ bytes, writable: (flags & VRING_DESC_F_WRITE) !== 0 });
      more = (flags & VRING_DESC_F_NEXT) !== 0;
      index = desc.getUint16(14, true);
    }
    return { head, segments };
  }

  /** Writes a used element with any id and length. */
  give(id: number, length: number): void {
    const used = this.#view(this.#addresses.device, 4 + 8 * this.#size);
    const element = 4 + 8 * (this.#usedIdx % this.#size);
    used.setUint32(element, id, true);
    used.setUint32(element + 4, length, true);
    this.setUsedIdx(this.#usedIdx + 1);
  }

  setUsedIdx(index: number): void {
    this.#usedIdx = index & 0xffff;
    this.#view(this.#addresses.device, 4).setUint16(2, this.#usedIdx, true);
  }

  setUsedFlags(flags: number): void {
    this.#view(this.#addresses.device, 4).setUint16(0, flags, true);
  }

  #view(iova: bigint, length: number): DataView {
    const bytes = this.#memory(iova, length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}
