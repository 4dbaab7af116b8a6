// SPDX-License-Identifier: BSD-3-Clause
// pcapng files: sections of blocks. Packets of every interface come in the file's order; blocks that hold
// none are passed. A section may have another byte order than the one before it.
import type { ByteSource } from './byte-source.ts';
import { type CapturedPacket, MAX_CAPTURED, noPacket, type PacketReader, stripFcs } from './packet.ts';
import {
  BLOCK,
  BLOCK_HEAD,
  BLOCK_TAIL,
  BODY,
  BYTE_ORDER_MAGIC,
  fcsOfFlags,
  MIN_BLOCK,
  OPTION,
  padding,
} from './pcapng-blocks.ts';
import { type Clock, readTime } from './time.ts';

/** More interfaces than any capture has, and not more than the file pays for: 20 bytes each. */
const MAX_INTERFACES = 65_536;

interface Interface {
  readonly linkType: number;
  readonly snaplen: number;
  readonly clock: Clock;
  /** Bytes of a frame check sequence at each packet's end. */
  readonly fcs: number;
}

/** Of a packet's options no more are looked at; a writer of flags puts them first. */
const MAX_OPTIONS = MAX_CAPTURED;
const OPTION_HEAD = 4;
const BYTE_ORDER_MAGIC_SWAPPED = 0x4d3c2b1a;

export class PcapngReader implements PacketReader {
  readonly #source: ByteSource;
  readonly #packet: CapturedPacket = noPacket();
  #littleEndian = true;
  #interfaces: Interface[] = [];
  /** The block that is being read: its offset in the file, and its length; 0 between blocks. */
  #start = 0;
  #length = 0;

  /** `source` stands at the file's start, before a section. */
  constructor(source: ByteSource) {
    this.#source = source;
    source.need(MIN_BLOCK, 'header of the file');
    this.#readOrder();
  }

  next(): Readonly<CapturedPacket> | undefined {
    this.#endBlock();
    while (!this.#source.atEnd()) {
      this.#start = this.#source.offset;
      const type = this.#startBlock();
      const found = this.#read(type, this.#start + this.#length - BLOCK_TAIL);
      // The end of a packet's block is passed when the packet is not needed any more.
      if (found) return this.#packet;
      this.#endBlock();
    }
    return undefined;
  }

  /** Passes what stands before the block's body, and returns its type. */
  #startBlock(): number {
    const source = this.#source;
    source.need(MIN_BLOCK, 'block');
    const type = source.view.getUint32(source.at, this.#littleEndian);
    // The same in both orders.
    if (type === BLOCK.SECTION_HEADER) this.#readOrder();
    const length = source.view.getUint32(source.at + 4, this.#littleEndian);
    if (length < MIN_BLOCK || length % 4 !== 0) source.fail(`a block cannot have ${length} bytes`);
    source.at += BLOCK_HEAD;
    this.#length = length;
    return type;
  }

  #readOrder(): void {
    const magic = this.#source.view.getUint32(this.#source.at + BLOCK_HEAD, true);
    this.#littleEndian = magic === BYTE_ORDER_MAGIC;
    if (!this.#littleEndian && magic !== BYTE_ORDER_MAGIC_SWAPPED)
      this.#source.fail('a section without its byte-order magic');
  }

  /** Reads what the block has to say, up to `end` at most. Whether that is a packet. */
  #read(type: number, end: number): boolean {
    if (type === BLOCK.ENHANCED_PACKET) return this.#readPacket(end, false);
    if (type === BLOCK.PACKET) return this.#readPacket(end, true);
    if (type === BLOCK.SIMPLE_PACKET) return this.#readSimplePacket(end);
    if (type === BLOCK.INTERFACE) this.#readInterface(end);
    if (type === BLOCK.SECTION_HEADER) this.#readSection(end);
    return false;
  }

  /** Passes what is left of the block, whose length stands at its end once more. */
  #endBlock(): void {
    if (this.#length === 0) return;
    const source = this.#source;
    source.skip(this.#start + this.#length - BLOCK_TAIL - source.offset, 'block');
    source.need(BLOCK_TAIL, 'block');
    const again = source.view.getUint32(source.at, this.#littleEndian);
    if (again !== this.#length)
      source.fail(`a block of ${this.#length} bytes ends as one of ${again}`, this.#start);
    source.at += BLOCK_TAIL;
    this.#length = 0;
  }

  /** Makes the fixed part of a body readable; returns where it is. */
  #body(size: number, end: number, what: string): number {
    const source = this.#source;
    if (source.offset + size > end) source.fail(`a block is too short for ${what}`, this.#start);
    source.need(size, what.replace(/^an? /, ''));
    return source.at;
  }

  #readSection(end: number): void {
    const at = this.#body(BODY.SECTION, end, 'a section');
    const major = this.#source.view.getUint16(at + 4, this.#littleEndian);
    if (major !== 1) this.#source.fail(`version ${major} of pcapng is not known`, this.#start);
    this.#interfaces = [];
  }

  #readInterface(end: number): void {
    const at = this.#body(BODY.INTERFACE, end, 'an interface');
    if (this.#interfaces.length === MAX_INTERFACES)
      this.#source.fail(`more than ${MAX_INTERFACES} interfaces`, this.#start);
    const { view } = this.#source;
    const linkType = view.getUint16(at, this.#littleEndian);
    const snaplen = view.getUint32(at + 4, this.#littleEndian);
    this.#source.at += BODY.INTERFACE;
    this.#interfaces.push({ linkType, snaplen, ...this.#readOptions(end) });
  }

  /** The options of an interface: how its times are counted, and what its packets end with. */
  #readOptions(end: number): Pick<Interface, 'clock' | 'fcs'> {
    const source = this.#source;
    const options = { clock: { perSecond: 1e6, offset: 0 }, fcs: 0 };
    while (source.offset + OPTION_HEAD <= end) {
      source.need(OPTION_HEAD, 'option');
      const code = source.view.getUint16(source.at, this.#littleEndian);
      const length = source.view.getUint16(source.at + 2, this.#littleEndian);
      source.at += OPTION_HEAD;
      if (code === OPTION.END) break;
      if (source.offset + length > end) source.fail('an option is longer than its block', this.#start);
      source.need(length, 'option');
      this.#readOption(options, code, length);
      source.skip(Math.min(length + padding(length), end - source.offset), 'option');
    }
    return options;
  }

  #readOption(
    options: { readonly clock: { perSecond: number; offset: number }; fcs: number },
    code: number,
    length: number,
  ): void {
    const { clock } = options;
    const { view, at } = this.#source;
    if (code === OPTION.IF_TIME_RESOLUTION && length === 1) {
      const exponent = view.getUint8(at);
      // Section 4.2: the upper bit chooses between powers of 2 and of 10. Finer than 64 bits is noise.
      clock.perSecond = exponent & 0x80 ? 2 ** (exponent & 0x7f) : 10 ** exponent;
      if (clock.perSecond > 2 ** 64) this.#source.fail('times finer than 64 bits', this.#start);
    }
    if (code === OPTION.IF_TIME_OFFSET && length === 8)
      clock.offset = Number(view.getBigInt64(at, this.#littleEndian));
    if (code === OPTION.IF_FCS_LENGTH && length === 1) {
      const bits = view.getUint8(at);
      // Section 4.2: bits. No sequence has so few as a number of bytes would be, which some programs wrote.
      options.fcs = bits < 8 ? bits : bits >> 3;
    }
  }

  #readPacket(end: number, obsolete: boolean): boolean {
    const at = this.#body(BODY.PACKET, end, 'a packet');
    const { view } = this.#source;
    const id = obsolete ? view.getUint16(at, this.#littleEndian) : view.getUint32(at, this.#littleEndian);
    const high = view.getUint32(at + 4, this.#littleEndian);
    const low = view.getUint32(at + 8, this.#littleEndian);
    const length = view.getUint32(at + 12, this.#littleEndian);
    const originalLength = view.getUint32(at + 16, this.#littleEndian);
    const { clock } = this.#interface(id);
    this.#packet.interfaceId = id;
    readTime(this.#packet, high, low, clock);
    this.#take(BODY.PACKET, length, originalLength, end);
    return true;
  }

  /** Has neither time nor length: the interface is the first, its snaplen says how much there is. */
  #readSimplePacket(end: number): boolean {
    const at = this.#body(BODY.SIMPLE_PACKET, end, 'a packet');
    const originalLength = this.#source.view.getUint32(at, this.#littleEndian);
    const { snaplen } = this.#interface(0);
    this.#packet.interfaceId = this.#packet.seconds = this.#packet.nanoseconds = 0;
    const length = Math.min(originalLength, snaplen === 0 ? MAX_CAPTURED : snaplen);
    this.#take(BODY.SIMPLE_PACKET, length, originalLength, end);
    return true;
  }

  #interface(id: number): Interface {
    const found = this.#interfaces[id];
    return found ?? this.#source.fail(`a packet of interface ${id}, which is not described`, this.#start);
  }

  /** Bytes of a packet's frame check sequence, by its options from `at` to `end`; 0: unknown. */
  #packetFcs(at: number, end: number): number {
    const { view } = this.#source;
    let option = at;
    while (option + OPTION_HEAD <= end) {
      const code = view.getUint16(option, this.#littleEndian);
      const length = view.getUint16(option + 2, this.#littleEndian);
      option += OPTION_HEAD;
      if (code === OPTION.END || option + length > end) return 0;
      if (code === OPTION.EPB_FLAGS && length === 4)
        return fcsOfFlags(view.getUint32(option, this.#littleEndian));
      option += length + padding(length);
    }
    return 0;
  }

  /** The packet of the interface that was found, `head` bytes behind where reading stands. */
  #take(head: number, length: number, originalLength: number, end: number): void {
    const source = this.#source;
    if (length > MAX_CAPTURED)
      source.fail(`a packet of ${length} bytes, more than ${MAX_CAPTURED}`, this.#start);
    if (source.offset + head + length > end) source.fail('a packet is longer than its block', this.#start);
    const optionsAt = head + length + padding(length);
    const optionsEnd = Math.min(end - source.offset, optionsAt + MAX_OPTIONS);
    // What is cut short behind the packet is said when the packet has been read.
    const hasOptions = head === BODY.PACKET && source.holds(optionsEnd);
    if (!hasOptions) source.need(head + length, 'packet');
    const packet = this.#packet;
    packet.bytes = source.bytes;
    packet.offset = source.at + head;
    packet.length = length;
    packet.originalLength = originalLength;
    const { linkType, fcs } = this.#interface(packet.interfaceId);
    packet.linkType = linkType;
    stripFcs(packet, (hasOptions && this.#packetFcs(source.at + optionsAt, source.at + optionsEnd)) || fcs);
    source.at += head + length;
  }
}
