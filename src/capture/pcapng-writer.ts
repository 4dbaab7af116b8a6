// SPDX-License-Identifier: BSD-3-Clause
// Writes pcapng files: one section, its interfaces first, times in nanoseconds.
import { BlockBuffer } from './block-buffer.ts';
import { type Direction, ETHERNET, MAX_CAPTURED } from './packet.ts';
import { BLOCK, BLOCK_HEAD, BODY, BYTE_ORDER_MAGIC, MIN_BLOCK, OPTION, padding } from './pcapng-blocks.ts';
import { highNanoseconds, lowNanoseconds } from './time.ts';
import type {
  CaptureCounts,
  CaptureInterface,
  CaptureWriter,
  PacketHeader,
  WriterOptions,
} from './writer.ts';

export interface PcapngOptions extends WriterOptions {
  readonly comment?: string;
  readonly hardware?: string;
  readonly os?: string;
  /** The program that writes. */
  readonly application?: string;
}

/** Section 4.3.1: two bits of epb_flags. */
const DIRECTIONS: Readonly<Record<Direction, number>> = { unknown: 0, in: 1, out: 2 };
/** epb_flags and the end of options. */
const PACKET_OPTIONS = 12;
/** Ten to the power of minus nine. */
const NANOSECONDS = 9;

interface Option {
  readonly code: number;
  readonly value: Uint8Array;
}

const text = (code: number, value: string | undefined): Option[] =>
  value === undefined ? [] : [{ code, value: new TextEncoder().encode(value).subarray(0, 0xffff) }];

export class PcapngWriter implements CaptureWriter {
  readonly #buffer: BlockBuffer;
  readonly #littleEndian: boolean;

  constructor(options: PcapngOptions) {
    this.#buffer = new BlockBuffer(options.sink);
    this.#littleEndian = !options.bigEndian;
    this.#section(options);
    for (const one of options.interfaces) this.#interface(one, options.snaplen ?? MAX_CAPTURED);
  }

  get bytes(): Uint8Array {
    return this.#buffer.bytes;
  }

  get total(): number {
    return this.#buffer.total;
  }

  begin(header: PacketHeader): number {
    const { view } = this.#buffer;
    const { length, seconds, nanoseconds } = header;
    const little = this.#littleEndian;
    const pad = padding(length);
    const at = this.#start(BLOCK.ENHANCED_PACKET, BODY.PACKET + length + pad + PACKET_OPTIONS);
    view.setUint32(at, header.interfaceId, little);
    view.setUint32(at + 4, highNanoseconds(seconds, nanoseconds), little);
    view.setUint32(at + 8, lowNanoseconds(seconds, nanoseconds), little);
    view.setUint32(at + 12, length, little);
    view.setUint32(at + 16, header.originalLength, little);
    const packet = at + BODY.PACKET;
    const options = packet + length + pad;
    // The buffer has been used before: no byte of another packet may show.
    this.#buffer.bytes.fill(0, packet + length, options);
    view.setUint16(options, OPTION.EPB_FLAGS, little);
    view.setUint16(options + 2, 4, little);
    view.setUint32(options + 4, DIRECTIONS[header.direction], little);
    view.setUint32(options + 8, 0, little);
    return packet;
  }

  statistics(id: number, { received, dropped }: CaptureCounts): void {
    const options = [
      { code: OPTION.ISB_RECEIVED, value: this.#count(received) },
      { code: OPTION.ISB_DROPPED, value: this.#count(dropped) },
    ];
    const now = Date.now();
    const seconds = Math.floor(now / 1000);
    const nanoseconds = (now % 1000) * 1_000_000;
    const at = this.#start(BLOCK.STATISTICS, BODY.STATISTICS + sizeOf(options));
    const { view } = this.#buffer;
    view.setUint32(at, id, this.#littleEndian);
    view.setUint32(at + 4, highNanoseconds(seconds, nanoseconds), this.#littleEndian);
    view.setUint32(at + 8, lowNanoseconds(seconds, nanoseconds), this.#littleEndian);
    this.#options(at + BODY.STATISTICS, options);
  }

  flush(): void {
    this.#buffer.flush();
  }

  #section({ comment, hardware, os, application }: PcapngOptions): void {
    const options = [
      ...text(OPTION.COMMENT, comment),
      ...text(OPTION.HARDWARE, hardware),
      ...text(OPTION.OS, os),
      ...text(OPTION.APPLICATION, application),
    ];
    const at = this.#start(BLOCK.SECTION_HEADER, BODY.SECTION + sizeOf(options));
    const { view } = this.#buffer;
    view.setUint32(at, BYTE_ORDER_MAGIC, this.#littleEndian);
    view.setUint16(at + 4, 1, this.#littleEndian);
    view.setUint16(at + 6, 0, this.#littleEndian);
    // The length of the section is not known: -1.
    view.setBigInt64(at + 8, -1n, this.#littleEndian);
    this.#options(at + BODY.SECTION, options);
  }

  #interface({ name, description, filter, linkType }: CaptureInterface, snaplen: number): void {
    const options = [
      ...text(OPTION.IF_NAME, name),
      ...text(OPTION.IF_DESCRIPTION, description),
      { code: OPTION.IF_TIME_RESOLUTION, value: Uint8Array.of(NANOSECONDS) },
      // The first byte says of what kind the filter is: 0 is an expression of libpcap.
      ...(filter === undefined ? [] : text(OPTION.IF_FILTER, `\0${filter}`)),
    ];
    const at = this.#start(BLOCK.INTERFACE, BODY.INTERFACE + sizeOf(options));
    const { view } = this.#buffer;
    view.setUint16(at, linkType ?? ETHERNET, this.#littleEndian);
    view.setUint16(at + 2, 0, this.#littleEndian);
    view.setUint32(at + 4, snaplen, this.#littleEndian);
    this.#options(at + BODY.INTERFACE, options);
  }

  /** Makes a block with a body of `size` bytes, and returns where that is. */
  #start(type: number, size: number): number {
    const total = MIN_BLOCK + size;
    const at = this.#buffer.reserve(total);
    const { view } = this.#buffer;
    view.setUint32(at, type, this.#littleEndian);
    view.setUint32(at + 4, total, this.#littleEndian);
    view.setUint32(at + BLOCK_HEAD + size, total, this.#littleEndian);
    return at + BLOCK_HEAD;
  }

  #options(start: number, options: readonly Option[]): void {
    const { view, bytes } = this.#buffer;
    let at = start;
    for (const { code, value } of options) {
      view.setUint16(at, code, this.#littleEndian);
      view.setUint16(at + 2, value.length, this.#littleEndian);
      bytes.set(value, at + 4);
      bytes.fill(0, at + 4 + value.length, at + 4 + value.length + padding(value.length));
      at += optionSize(value.length);
    }
    view.setUint32(at, OPTION.END, this.#littleEndian);
  }

  #count(value: number): Uint8Array {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), this.#littleEndian);
    return bytes;
  }
}

const optionSize = (length: number): number => 4 + length + padding(length);
const sizeOf = (options: readonly Option[]): number =>
  options.reduce((sum, { value }) => sum + optionSize(value.length), 4);
