// SPDX-License-Identifier: BSD-3-Clause
// Writes pcap files of microseconds or nanoseconds.
import { BlockBuffer } from './block-buffer.ts';
import { ETHERNET, MAX_CAPTURED } from './packet.ts';
import {
  PCAP_HEADER,
  PCAP_MICROSECONDS,
  PCAP_NANOSECONDS,
  PCAP_RECORD,
  PCAP_VERSION,
} from './pcap-reader.ts';
import type { CaptureWriter, PacketHeader, WriterOptions } from './writer.ts';

export interface PcapOptions extends WriterOptions {
  /** What times are written in; microseconds by default, which every program reads. */
  readonly nanoseconds?: boolean;
}

export class PcapWriter implements CaptureWriter {
  readonly #buffer: BlockBuffer;
  readonly #littleEndian: boolean;
  readonly #unit: number;

  constructor({ sink, interfaces, snaplen, bigEndian = false, nanoseconds = false }: PcapOptions) {
    this.#buffer = new BlockBuffer(sink);
    this.#littleEndian = !bigEndian;
    this.#unit = nanoseconds ? 1 : 1000;
    const at = this.#buffer.reserve(PCAP_HEADER);
    const { view } = this.#buffer;
    view.setUint32(at, nanoseconds ? PCAP_NANOSECONDS : PCAP_MICROSECONDS, !bigEndian);
    view.setUint16(at + 4, PCAP_VERSION.major, !bigEndian);
    view.setUint16(at + 6, PCAP_VERSION.minor, !bigEndian);
    view.setUint32(at + 16, snaplen ?? MAX_CAPTURED, !bigEndian);
    view.setUint32(at + 20, interfaces[0]?.linkType ?? ETHERNET, !bigEndian);
  }

  get bytes(): Uint8Array {
    return this.#buffer.bytes;
  }

  get total(): number {
    return this.#buffer.total;
  }

  begin(header: PacketHeader): number {
    const at = this.#buffer.reserve(PCAP_RECORD + header.length);
    const { view } = this.#buffer;
    view.setUint32(at, header.seconds, this.#littleEndian);
    view.setUint32(at + 4, Math.floor(header.nanoseconds / this.#unit), this.#littleEndian);
    view.setUint32(at + 8, header.length, this.#littleEndian);
    view.setUint32(at + 12, header.originalLength, this.#littleEndian);
    return at + PCAP_RECORD;
  }

  statistics(): void {
    // No place for them in this format.
  }

  flush(): void {
    this.#buffer.flush();
  }
}
