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
  const values: Partial<Record<keyof typeof fields, number>> = {
    version: SECTION_VERSION,
    features: offer.features,
    queue_pairs: offer.queuePairs,
    max_frame: offer.maxFrame,
    doorbell: contact.doorbellId === null ? 0 : contact.doorbellId + 1,
    vectors: contact.vectors,
  };
  for (const [name, value] of Object.entries(values)) write(side, fields[name as Field].offset, value);
  const words = new DataView(new ArrayBuffer(8));
  mac.forEach((byte, i) => {
    words.setUint8(i, byte);
  });
  write(side, fields.mac.offset, words.getUint32(0, true));
  write(side, fields.mac.offset + 4, words.getUint32(4, true));
  write(side, fields.magic.offset, SECTION_MAGIC);
}
