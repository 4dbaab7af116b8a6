// SPDX-License-Identifier: BSD-3-Clause
// Opens a capture file of either format, which its first bytes tell.
import { ByteSource } from './byte-source.ts';
import type { CapturedPacket, PacketReader } from './packet.ts';
import { isPcap, PcapReader } from './pcap-reader.ts';
import { BLOCK } from './pcapng-blocks.ts';
import { PcapngReader } from './pcapng-reader.ts';

/** Old variants whose records differ; libpcap reads them, nothing has written them for twenty years. */
const PATCHED = 0xa1b2cd34;

/** Reads a file or pipe once, forwards; a file as often as it is rewound. */
export class CaptureFile implements PacketReader {
  readonly path: string;
  readonly #source: ByteSource;
  #reader: PacketReader;

  private constructor(path: string) {
    this.path = path;
    this.#source = new ByteSource(path);
    try {
      this.#reader = readerOf(this.#source);
    } catch (error) {
      this.#source.close();
      throw error;
    }
  }

  /**
   * Opens a pcap or pcapng file of any byte order and resolution. Whatever is wrong with it is a PmdError of
   * one line with the file and the offset, here or where a packet is read; the packets before it are read.
   */
  static open(path: string): CaptureFile {
    return new CaptureFile(path);
  }

  next(): Readonly<CapturedPacket> | undefined {
    return this.#reader.next();
  }

  /** Starts over; the packet read last is not valid any more. */
  rewind(): void {
    this.#source.rewind();
    this.#reader = readerOf(this.#source);
  }

  /** May be called twice. */
  close(): void {
    this.#source.close();
  }
}

function readerOf(source: ByteSource): PacketReader {
  source.need(4, 'header of the file');
  const little = source.view.getUint32(source.at, true);
  const big = source.view.getUint32(source.at, false);
  if (little === BLOCK.SECTION_HEADER) return new PcapngReader(source);
  if (isPcap(little) || isPcap(big)) return new PcapReader(source);
  if (little === PATCHED || big === PATCHED) return source.fail('a pcap file of a patched libpcap of 1999');
  return source.fail('neither a pcap nor a pcapng file');
}
