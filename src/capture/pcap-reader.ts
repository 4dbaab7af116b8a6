// SPDX-License-Identifier: BSD-3-Clause
// pcap files (draft-ietf-opsawg-pcap): a header of 24 bytes, then records of 16 bytes and a packet.
import type { ByteSource } from './byte-source.ts';
import { type CapturedPacket, MAX_CAPTURED, noPacket, type PacketReader, stripFcs } from './packet.ts';

/** Section 4. Either byte order; the two magic numbers say what the second word of a time counts. */
export const PCAP_MICROSECONDS = 0xa1b2c3d4;
export const PCAP_NANOSECONDS = 0xa1b23c4d;
export const PCAP_VERSION = { major: 2, minor: 4 } as const;
export const PCAP_HEADER = 24;
export const PCAP_RECORD = 16;

/** The link type's word; above it, whether the length of a frame check sequence is known, in 2 bytes each. */
const LINK_TYPE = 0xffff;
const FCS_KNOWN = 0x0400_0000;
const FCS_SHIFT = 28;

const MAGICS: ReadonlyMap<number, number> = new Map([
  [PCAP_MICROSECONDS, 1000],
  [PCAP_NANOSECONDS, 1],
]);

/** Whether a file that starts with `magic`, read in either order, is a pcap file. */
export const isPcap = (magic: number): boolean => MAGICS.has(magic);

export class PcapReader implements PacketReader {
  readonly #source: ByteSource;
  readonly #packet: CapturedPacket = noPacket();
  readonly #littleEndian: boolean;
  /** Nanoseconds in what a time's second word counts. */
  readonly #unit: number;
  /** Bytes of a frame check sequence at each packet's end. */
  readonly #fcs: number;

  /** `source` stands at the file's start. */
  constructor(source: ByteSource) {
    this.#source = source;
    source.need(PCAP_HEADER, 'header of the file');
    const { view, at } = source;
    this.#littleEndian = isPcap(view.getUint32(at, true));
    this.#unit = MAGICS.get(view.getUint32(at, this.#littleEndian)) ?? 1000;
    const major = view.getUint16(at + 4, this.#littleEndian);
    if (major !== PCAP_VERSION.major) source.fail(`version ${major} of pcap is not known`);
    const linkType = view.getUint32(at + 20, this.#littleEndian);
    this.#packet.linkType = linkType & LINK_TYPE;
    this.#fcs = linkType & FCS_KNOWN ? 2 * (linkType >>> FCS_SHIFT) : 0;
    source.at += PCAP_HEADER;
  }

  next(): Readonly<CapturedPacket> | undefined {
    const source = this.#source;
    if (source.atEnd()) return undefined;
    source.need(PCAP_RECORD, 'header of a packet');
    const length = source.view.getUint32(source.at + 8, this.#littleEndian);
    if (length > MAX_CAPTURED) source.fail(`a packet of ${length} bytes, more than ${MAX_CAPTURED}`);
    source.need(PCAP_RECORD + length, 'packet');
    this.#take(source, length);
    return this.#packet;
  }

  #take(source: ByteSource, length: number): void {
    const { view, at } = source;
    const packet = this.#packet;
    const fraction = view.getUint32(at + 4, this.#littleEndian) * this.#unit;
    // Some programs write a whole second, or more, into the fraction.
    packet.seconds = view.getUint32(at, this.#littleEndian) + Math.floor(fraction / 1e9);
    packet.nanoseconds = fraction % 1e9;
    packet.bytes = source.bytes;
    packet.offset = at + PCAP_RECORD;
    packet.length = length;
    packet.originalLength = view.getUint32(at + 12, this.#littleEndian);
    stripFcs(packet, this.#fcs);
    source.at += PCAP_RECORD + length;
  }
}
