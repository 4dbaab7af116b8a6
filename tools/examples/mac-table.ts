// SPDX-License-Identifier: BSD-3-Clause
// Which port a MAC address is behind. Addresses hash into sets of four; a full set forgets the one that was
// seen longest ago, so that a sender of invented addresses takes no memory. Allocates nothing after set-up:
// numbers are signed 32-bit integers, since V8 may box larger ones.
import { readInt32BE, readUint16BE } from 'vhost-pci-pmd';

const WAYS = 4;
const NEVER = -1;

export class MacTable {
  readonly #shift: number;
  readonly #maxAge: number;
  readonly #high: Uint16Array;
  readonly #low: Int32Array;
  readonly #port: Uint8Array;
  /** When the address was seen last as a source, or NEVER. */
  readonly #seen: Int32Array;

  /** `entries` is a power of two from 8 on; `maxAge` is in the units of `now`. */
  constructor(entries: number, maxAge: number) {
    this.#shift = 32 - Math.log2(entries / WAYS);
    this.#maxAge = maxAge;
    this.#high = new Uint16Array(entries);
    this.#low = new Int32Array(entries);
    this.#port = new Uint8Array(entries);
    this.#seen = new Int32Array(entries).fill(NEVER);
  }

  /** HOT. The address at `bytes[at..at + 6)` is behind `port`. */
  learn(bytes: Uint8Array, at: number, port: number, now: number): void {
    const high = readUint16BE(bytes, at);
    const low = readInt32BE(bytes, at + 2);
    const set = this.#set(high, low);
    let entry = this.#find(set, high, low);
    if (entry < 0) {
      entry = set;
      for (let i = set + 1; i < set + WAYS; i++) if (this.#seen[i] < this.#seen[entry]) entry = i;
      this.#high[entry] = high;
      this.#low[entry] = low;
    }
    this.#port[entry] = port;
    this.#seen[entry] = now;
  }

  /** HOT. The port of the address at `bytes[at..at + 6)`; -1 if it is unknown or was seen too long ago. */
  lookup(bytes: Uint8Array, at: number, now: number): number {
    const high = readUint16BE(bytes, at);
    const low = readInt32BE(bytes, at + 2);
    const entry = this.#find(this.#set(high, low), high, low);
    return entry < 0 || now - this.#seen[entry] > this.#maxAge ? -1 : this.#port[entry];
  }

  #set(high: number, low: number): number {
    return WAYS * (Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1) >>> this.#shift);
  }

  #find(set: number, high: number, low: number): number {
    for (let i = set; i < set + WAYS; i++)
      if (this.#low[i] === low && this.#high[i] === high && this.#seen[i] !== NEVER) return i;
    return -1;
  }
}
