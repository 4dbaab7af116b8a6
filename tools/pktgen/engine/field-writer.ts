// SPDX-License-Identifier: BSD-3-Clause
// One varied field of a stream's frames: a range in steps or at random, or a list. Allocates nothing.
import type { FieldPlan } from '../plan/frame-plan.ts';
import { Random } from './random.ts';

export class FieldWriter {
  readonly inIp: boolean;
  readonly inL4: boolean;
  readonly #plan: FieldPlan;
  readonly #seed: number;
  readonly #list: Uint8Array;
  readonly #listSums: Int32Array;
  /** Range: number of values, and the index of the next. */
  readonly #values: number;
  readonly #from: number;
  readonly #step: number;
  readonly #isRandom: boolean;
  /** Index 0: the next value's index, up to 2^32. */
  readonly #next = new Float64Array(1);
  #random: Random;

  constructor(plan: FieldPlan, seed: number) {
    this.#plan = plan;
    this.#seed = seed;
    this.inIp = plan.inIp;
    this.inL4 = plan.inL4;
    const { range } = plan;
    this.#list = plan.list ?? new Uint8Array(0);
    this.#from = range?.from ?? 0;
    this.#step = range?.step ?? 1;
    this.#isRandom = range?.random ?? false;
    this.#values = range
      ? Math.floor((range.to - range.from) / range.step) + 1
      : this.#list.length / plan.width;
    this.#listSums = Int32Array.from({ length: plan.list ? this.#values : 0 }, (_, i) =>
      foldedSum(this.#list, i * plan.width, (i + 1) * plan.width),
    );
    this.#random = new Random(seed);
  }

  reset(): void {
    this.#next[0] = 0;
    this.#random = new Random(this.#seed);
  }

  /** HOT. Writes the next value into the frame at `at`; returns the sum of its 16-bit words. */
  write(bytes: Uint8Array, at: number): number {
    const { offset, width } = this.#plan;
    const place = at + offset;
    const index = this.#next[0];
    const after = index + 1;
    this.#next[0] = after < this.#values ? after : 0;
    if (this.#listSums.length > 0) return this.#writeListed(bytes, place, index);
    const chosen = this.#isRandom ? this.#random.below(this.#values) : index;
    const value = (this.#from + chosen * this.#step) | 0;
    const low = place + width - 2;
    bytes[low] = value >>> 8;
    bytes[low + 1] = value;
    if (width === 2) return value & 0xffff;
    bytes[place] = value >>> 24;
    bytes[place + 1] = value >>> 16;
    return (value & 0xffff) + (value >>> 16);
  }

  /** HOT. */
  #writeListed(bytes: Uint8Array, place: number, index: number): number {
    const { width } = this.#plan;
    const start = index * width;
    for (let i = 0; i < width; i++) bytes[place + i] = this.#list[start + i];
    return this.#listSums[index];
  }
}

/** The sum of the 16-bit big-endian words of `bytes[from..to)`, an even number of bytes, as 16 bits. */
export function foldedSum(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** HOT. The two bytes of a 16-bit word exchanged. */
export function swap16(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8);
}
