// SPDX-License-Identifier: BSD-3-Clause
// Both sides of a carrier, whether their states are in headers or in a table: what we write in ours, and what
// the peer's says.
import { SECTION_STATE_RESET, SECTION_VECTOR_STATE } from '../abi/section.ts';
import { formatByteSize } from '../byte-size.ts';
import { PmdError } from '../errors.ts';
import { native } from '../native.ts';
import type { SectionCarrier } from './carrier.ts';
import {
  headerFault,
  readContact,
  readOffer,
  readState,
  repairHeader,
  type SideOffer,
  writeHeader,
  writeState,
} from './header.ts';
import { type Agreement, agree, ownOffer, sectionBytes, sectionOffset } from './negotiation.ts';

/** Far more than packets need; it is cleared at each start. */
const MOST_BYTES = 1 << 30;

export class Sides {
  readonly #carrier: SectionCarrier;
  readonly #headers: boolean;

  constructor(carrier: SectionCarrier) {
    this.#carrier = carrier;
    this.#headers = carrier.states === 'header';
  }

  get sectionBytes(): number {
    return sectionBytes(this.#carrier.states, this.#carrier.own);
  }

  /** Any number, as the peer writes it. */
  peerState(): number {
    if (this.#headers) return readState(this.#carrier.peer);
    return (this.#carrier.readState?.() ?? SECTION_STATE_RESET) >>> 0;
  }

  /** Null without headers. */
  peerOffer(): SideOffer | null {
    return this.#headers ? readOffer(this.#carrier.peer) : null;
  }

  /** Why the peer's header is none, in words; null if it is one, or there are none. */
  peerFault(): string | null {
    return this.#headers ? headerFault(this.#carrier.peer) : null;
  }

  /** Writes our header, in RESET. */
  begin(offer: SideOffer, mac: Uint8Array): void {
    const { own, doorbellId, vectors } = this.#carrier;
    if (this.#headers) writeHeader(own, offer, { doorbellId, vectors }, mac);
  }

  /** Writes our header again where the peer has written to it; false if it had not. */
  repair(offer: SideOffer, mac: Uint8Array, state: number): boolean {
    const { own, doorbellId, vectors } = this.#carrier;
    return this.#headers && repairHeader(own, offer, { doorbellId, vectors }, mac, state);
  }

  /** Zeroes our section. */
  clear(): void {
    const { states, own } = this.#carrier;
    const section = new Uint8Array(native.mappingBuffer(own.mapping), sectionOffset(states, own));
    section.fill(0, 0, this.sectionBytes);
  }

  /** Shows the peer our state, and raises its vector. The device does that itself for a table. */
  publish(state: number): void {
    const carrier = this.#carrier;
    if (!this.#headers) {
      carrier.writeState?.(state);
      return;
    }
    writeState(carrier.own, state);
    const { doorbellId, vectors } = readContact(carrier.peer);
    carrier.setPeer(doorbellId ?? -1, vectors);
    const fd = carrier.doorbell(SECTION_VECTOR_STATE);
    if (fd >= 0) native.eventfdSignal(fd);
  }
}

/**
 * Returns the largest frame that a peer like us would agree on. Throws VPCI_BAD_MEMORY if sections are
 * unequal, too large or too small, VPCI_QUEUE_COUNT if they are for the queue pairs of the offer.
 */
export function checkSides({ own, peer, states, name }: SectionCarrier, offer: SideOffer): number {
  const bad = (cause: string) => new PmdError('VPCI_BAD_MEMORY', `Failed to open ${name}: ${cause}`);
  if (own.size !== peer.size)
    throw bad(`both sides need the same size, not ${own.size} and ${peer.size} bytes`);
  if (own.size > MOST_BYTES)
    throw bad(`a side has at most ${formatByteSize(MOST_BYTES)}, not ${own.size} bytes`);
  const agreed = (one: SideOffer): Agreement | null => {
    try {
      return agree(sectionBytes(states, own), one, one);
    } catch {
      return null;
    }
  };
  const single = agreed(ownOffer(1, offer.features === 0));
  if (single === null) throw bad(`sides of ${own.size} bytes are too small for a queue pair`);
  if (agreed(offer) !== null) return single.maxFrame;
  throw new PmdError(
    'VPCI_QUEUE_COUNT',
    `Failed to open ${name}: sides of ${own.size} bytes are too small for ${offer.queuePairs} queue pairs`,
  );
}
