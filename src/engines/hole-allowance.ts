// SPDX-License-Identifier: BSD-3-Clause
// How much of a peer's memory this process may have to pay for. A memory file in memory (tmpfs, memfd) can lack pages; whoever touches a
// missing one is charged for it, whether it reads or writes. An honest guest has touched most of what its rings name; a hostile one could
// name a terabyte of holes and have this process killed.
//
// Peers share three quarters of what the process may have. A file that fits in what is left is taken whole. Of one that does not, half
// of what is left may be filled, so that whoever comes next gets something too, and one page more loses the mapping.
import { PAGE } from '../alignment.ts';
import { formatByteSize } from '../byte-size.ts';
import { PmdError } from '../errors.ts';
import { processBytes } from '../machine-memory.ts';
import { type MappingHandle, native } from '../native.ts';

/** The rest is for packets, V8 and the program itself. */
const SHARE = 3 / 4;

/** What one mapping may cost, until it is given back. */
export interface Allowance {
  readonly bytes: number;
}

export class HoleAllowances {
  readonly #total: () => number;
  #given = 0;

  constructor(total: () => number = processBytes) {
    this.#total = total;
  }

  /** For a file of `bytes`: all of them, or as many as it may cost. */
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

/** Of this process. */
const allowances = new HoleAllowances();

/** Holds what the mappings of a peer's memory may cost. */
export class PeerMemoryLimit {
  readonly #device: string;
  readonly #max: number | null;
  readonly #taken = new Map<MappingHandle, Allowance>();

  /** `max` is what the user allows a peer to have: such memory is taken as it is, larger memory never. */
  constructor(device: string, max: number | null) {
    this.#device = device;
    this.#max = max;
  }

  /** Before a mapping of `bytes` is used. Throws VPCI_BAD_MEMORY, and says what to do, when it must not be. */
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

  /** Before a mapping goes. */
  release(mapping: MappingHandle): void {
    const allowance = this.#taken.get(mapping);
    if (allowance) allowances.giveBack(allowance);
    this.#taken.delete(mapping);
  }

  /** What a user is told when a peer has had all that it may. */
  exceeded(mapping: MappingHandle): string {
    const bytes = this.#taken.get(mapping)?.bytes ?? 0;
    return (
      `${this.#device}: the peer's rings name more memory that it never touched than this process may fill ` +
      `(${formatByteSize(bytes)}): its queues stop. If it is to be trusted with more, give the device max-peer-memory=SIZE`
    );
  }

  #limit(mapping: MappingHandle, bytes: number, allowance: Allowance): void {
    try {
      native.limitHoles(mapping, allowance.bytes);
    } catch (error) {
      const cause =
        `more than the ${formatByteSize(allowance.bytes)} that this process may have to fill, ` +
        `and it cannot be held to that (${(error as Error).message})`;
      throw this.#refusal(bytes, cause);
    }
  }

  #refusal(bytes: number, cause: string): PmdError {
    return new PmdError(
      'VPCI_BAD_MEMORY',
      `${this.#device}: the peer's memory is ${formatByteSize(bytes)}, ${cause}; ` +
        `give the device max-peer-memory=${formatByteSize(bytes)} if it is to be trusted with that`,
    );
  }
}
