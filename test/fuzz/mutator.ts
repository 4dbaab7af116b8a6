// SPDX-License-Identifier: BSD-3-Clause
// Seeded mutations of protocol messages: valid ones, changed at critical places. The same seed gives the same
// messages.

/** Boundary values of arithmetic. */
const BOUNDARIES = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  9n,
  15n,
  16n,
  17n,
  0x7fn,
  0xffn,
  0x100n,
  0x1000n,
  0x7fffn,
  0x8000n,
  0xffffn,
];
const WIDE = [
  0x10000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  1n << 32n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];

export class Disorder {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number in 0..limit-1 (mulberry32). */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(among: readonly T[]): T {
    return among[this.below(among.length)] as T;
  }

  /** A changed copy. */
  mutate(message: Uint8Array): Uint8Array {
    let bytes: Uint8Array = message.slice();
    for (let changes = 1 + this.below(3); changes > 0; changes--) bytes = this.#change(bytes);
    return bytes;
  }

  /** Splits the bytes into pieces, as a stream may deliver them. */
  cut(bytes: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = this.chance(80) ? bytes.length - at : 1 + this.below(bytes.length - at);
      pieces.push(bytes.subarray(at, at + length));
      at += length;
    }
    return pieces;
  }

  #change(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0) return Uint8Array.of(this.below(256));
    switch (this.below(6)) {
      case 0:
        bytes[this.below(bytes.length)] = this.below(256);
        return bytes;
      case 1:
        return bytes.slice(0, this.below(bytes.length));
      case 2: {
        const longer = new Uint8Array(bytes.length + 1 + this.below(64));
        longer.set(bytes);
        return longer;
      }
      default:
        return this.#setField(bytes);
    }
  }

  /** An aligned field of 2, 4 or 8 bytes becomes a boundary value, or a neighbour of its old value. */
  #setField(bytes: Uint8Array): Uint8Array {
    const width = this.pick([2, 4, 4, 8, 8]);
    if (bytes.length < width) return bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const at = width * this.below(Math.floor(bytes.length / width));
    const old = width === 8 ? view.getBigUint64(at, true) : BigInt(view.getUint16(at, true));
    const value = this.chance(30) ? old + this.pick([1n, -1n, 4096n]) : this.pick([...BOUNDARIES, ...WIDE]);
    if (width === 8) view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else if (width === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
    else view.setUint16(at, Number(BigInt.asUintN(16, value)), true);
    return bytes;
  }
}

/** Number of sessions of a message fuzzer: more in CI, where FUZZ_SECONDS is larger. */
export const fuzzSessions = (perSecond: number): number => perSecond * Number(process.env.FUZZ_SECONDS ?? 15);
