// SPDX-License-Identifier: BSD-3-Clause
// Mbufs that wait, first in, first out. For one thread.

export class MbufRing {
  readonly #ids: Uint32Array;
  readonly #mask: number;
  #head = 0;
  #tail = 0;

  /** `capacity` is a power of two. */
  constructor(capacity: number) {
    this.#ids = new Uint32Array(capacity);
    this.#mask = capacity - 1;
  }

  get length(): number {
    return (this.#tail - this.#head) >>> 0;
  }

  get room(): number {
    return this.#ids.length - this.length;
  }

  /** HOT. There must be room. */
  push(id: number): void {
    this.#ids[this.#tail & this.#mask] = id;
    this.#tail = (this.#tail + 1) >>> 0;
  }

  /** HOT. There must be one. */
  shift(): number {
    const id = this.#ids[this.#head & this.#mask];
    this.#head = (this.#head + 1) >>> 0;
    return id;
  }
}
