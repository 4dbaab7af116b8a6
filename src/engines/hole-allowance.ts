// SPDX-License-Identifier: BSD-3-Clause
// Limits how much of a peer's memory can be charged to this process. A file in memory (tmpfs, memfd) can have
// holes; the process that touches a missing page, by a read or a write, is charged for it. An honest guest
// has touched most of the memory that its rings refer to; a hostile one could refer to a terabyte of holes
// and get this process killed.
//
// Peers share three quarters of the memory that the process may use. A file that fits in the rest of that
// share is accepted whole. Of a larger file, half of the rest may be filled, so that later peers get a part
// too; one more page, and the mapping is lost.
import { PAGE } from '../alignment.ts';
import { formatByteSize } from '../byte-size.ts';
import { PmdError } from '../errors.ts';
import { processBytes } from '../machine-memory.ts';
import { type MappingHandle, native } from '../native.ts';

/** The remainder is for packets, V8 and the program itself. */
const SHARE = 3 / 4;

/** Bytes that one mapping may cost, until it is released. */
export interface Allowance {
  readonly bytes: number;
}

export class HoleAllowances {
  readonly #total: () => number;
  #given = 0;

  constructor(total: () => number = processBytes) {
    this.#total = total;
  }

  /** The allowance for a file of `bytes`: all of them, or as many as it may cost. */
  take(bytes: number): Allowance {
    const left = Math.max(0, Math.floor(this.#total() * SHARE) - this.#given);
    const granted = bytes <= left ? bytes : Math.floor(left / 2 / PAGE) * PAGE;
    this.#given += granted;
    return { bytes: granted };
  }

  giveBack({ bytes }: Allowance): void {
    this.#given -= bytes;
  }
}

/** The allowances of this process. */
const allowances = new HoleAllowances();

/** Limits the cost of the mappings of one peer's memory. */
export class PeerMemoryLimit {
  readonly #device: string;
  readonly #max: number | null;
  readonly #taken = new Map<MappingHandle, Allowance>();

  /**
   * `max` is the user's limit: memory up to it is accepted without an allowance, larger memory is refused.
   */
  constructor(device: string, max: number | null) {
    this.#device = device;
    this.#max = max;
  }

  /**
   * Call before a mapping of `bytes` is used. Throws VPCI_BAD_MEMORY, with the remedy, if it must not be
   * used.
   */
  admit(mapping: MappingHandle, bytes: number): void {
    if (this.#max !== null) {
      if (bytes > this.#max)
        throw this.#refusal(bytes, `more than max-peer-memory=${formatByteSize(this.#max)}`);
      return;
    }
    if (!native.mappingIsSparse(mapping)) return;
    const allowance = allowances.take(bytes);
    try {
      if (allowance.bytes < bytes) this.#limit(mapping, bytes, allowance);
      this.#taken.set(mapping, allowance);
    } catch (error) {
      allowances.giveBack(allowance);
      throw error;
    }
  }

  /** Call before a mapping is unmapped. */
  release(mapping: MappingHandle): void {
    const allowance = this.#taken.get(mapping);
    if (allowance) allowances.giveBack(allowance);
    this.#taken.delete(mapping);
  }

  /** The message for a peer that has exceeded its allowance. */
  exceeded(mapping: MappingHandle): string {
    const bytes = this.#taken.get(mapping)?.bytes ?? 0;
    return (
      `${this.#device}: the peer's rings refer to more untouched memory than this process may fill ` +
      `(${formatByteSize(bytes)}): its queues stop. If you trust the peer with more, give the device max-peer-memory=SIZE`
    );
  }

  #limit(mapping: MappingHandle, bytes: number, allowance: Allowance): void {
    try {
      native.limitHoles(mapping, allowance.bytes);
    } catch (error) {
      const cause =
        `more than the ${formatByteSize(allowance.bytes)} that this process may fill, ` +
        `and this limit cannot be enforced (${(error as Error).message})`;
      throw this.#refusal(bytes, cause);
    }
  }

  #refusal(bytes: number, cause: string): PmdError {
    return new PmdError(
      'VPCI_BAD_MEMORY',
      `${this.#device}: the peer's memory is ${formatByteSize(bytes)}, ${cause}; ` +
        `give the device max-peer-memory=${formatByteSize(bytes)} if you trust the peer with that`,
    );
  }
}
