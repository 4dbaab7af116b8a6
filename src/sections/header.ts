// SPDX-License-Identifier: BSD-3-Clause
// SECTION_HEADER over a side's memory. The peer changes its header whenever it likes, and on some carriers
// ours as well: each word is read once, in one access, and checked here.
import { SECTION_HEADER, SECTION_MAGIC, SECTION_STATE_RESET, SECTION_VERSION } from '../abi/section.ts';
import { native } from '../native.ts';
import type { SideMemory } from './carrier.ts';

/** What a side says of itself for as long as it is not in RESET. */
export interface SideOffer {
  /** Bits SECTION_F_*. */
  readonly features: number;
  readonly queuePairs: number;
  /** Largest frame that it accepts; 0 for no limit of its own. */
  readonly maxFrame: number;
}

/** How a side is signalled. */
export interface SideContact {
  /** Null without a doorbell. */
  readonly doorbellId: number | null;
  readonly vectors: number;
}

const { fields } = SECTION_HEADER;
type Field = Exclude<keyof typeof fields, 'mac' | 'reserved'>;

const read = ({ mapping, offset }: SideMemory, field: Field): number =>
  native.atomicRead(mapping, offset + fields[field].offset) >>> 0;
const write = ({ mapping, offset }: SideMemory, at: number, value: number): void =>
  native.atomicWrite(mapping, offset + at, value >>> 0);

/** The state word; RESET as long as there is no header, or one of another version. */
export function readState(side: SideMemory): number {
  if (headerFault(side) !== null) return SECTION_STATE_RESET;
  return read(side, 'state');
}

export function writeState(side: SideMemory, state: number): void {
  write(side, fields.state.offset, state);
}

/** Why the side has no usable header, in words; null if it has one. */
export function headerFault(side: SideMemory): string | null {
  const magic = read(side, 'magic');
  if (magic === 0) return 'no driver has opened the memory yet';
  if (magic !== SECTION_MAGIC) return `its memory begins with 0x${magic.toString(16)}, not with a header`;
  const version = read(side, 'version');
  return version === SECTION_VERSION ? null : `its header has version ${version}, not ${SECTION_VERSION}`;
}

export function readContact(side: SideMemory): SideContact {
  const doorbell = read(side, 'doorbell');
  return { doorbellId: doorbell === 0 ? null : doorbell - 1, vectors: read(side, 'vectors') };
}

export function readOffer(side: SideMemory): SideOffer {
  return {
    features: read(side, 'features'),
    queuePairs: read(side, 'queue_pairs'),
    maxFrame: read(side, 'max_frame'),
  };
}

/** Writes our header, in state RESET. The magic number comes last, as it makes the rest valid. */
export function writeHeader(side: SideMemory, offer: SideOffer, contact: SideContact, mac: Uint8Array): void {
  writeState(side, SECTION_STATE_RESET);
  for (const [at, value] of wordsOf(offer, contact, mac)) write(side, at, value);
}

/**
 * Writes what is no longer as we wrote it, if the peer can write to our side; false if all was. The state
 * comes last.
 */
export function repairHeader(
  side: SideMemory,
  offer: SideOffer,
  contact: SideContact,
  mac: Uint8Array,
  state: number,
): boolean {
  const words = [...wordsOf(offer, contact, mac), [fields.state.offset, state] as const];
  const wrong = words.filter(
    ([at, value]) => native.atomicRead(side.mapping, side.offset + at) >>> 0 !== value >>> 0,
  );
  for (const [at, value] of wrong) write(side, at, value);
  return wrong.length > 0;
}

/** Offsets and values of all words but the state; the magic number is the last. */
function wordsOf(
  offer: SideOffer,
  contact: SideContact,
  mac: Uint8Array,
): readonly (readonly [number, number])[] {
  const address = new DataView(new ArrayBuffer(8));
  mac.forEach((byte, i) => {
    address.setUint8(i, byte);
  });
  return [
    [fields.version.offset, SECTION_VERSION],
    [fields.features.offset, offer.features],
    [fields.queue_pairs.offset, offer.queuePairs],
    [fields.max_frame.offset, offer.maxFrame],
    [fields.doorbell.offset, contact.doorbellId === null ? 0 : contact.doorbellId + 1],
    [fields.vectors.offset, contact.vectors],
    [fields.mac.offset, address.getUint32(0, true)],
    [fields.mac.offset + 4, address.getUint32(4, true)],
    [fields.magic.offset, SECTION_MAGIC],
  ];
}
