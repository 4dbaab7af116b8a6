// SPDX-License-Identifier: BSD-3-Clause
// What writers of both formats have in common.
import type { Sink } from './block-buffer.ts';
import type { Direction } from './packet.ts';

/** One source of packets in the file. */
export interface CaptureInterface {
  readonly name?: string;
  readonly description?: string;
  /** The expression that chose its packets. */
  readonly filter?: string;
  /** LINKTYPE; Ethernet by default. */
  readonly linkType?: number;
}

export interface WriterOptions {
  /** Where the bytes go: the `write` of a `FileSink`, or a function. */
  readonly sink: Sink;
  /** At least one. A pcap file has no place for more than the link type of the first. */
  readonly interfaces: readonly CaptureInterface[];
  /** Most bytes of a packet; 262144 by default. */
  readonly snaplen?: number;
  /** Little-endian by default. */
  readonly bigEndian?: boolean;
}

/** What is written of a packet beside its bytes. */
export interface PacketHeader {
  /** Bytes that follow, at most the snaplen. */
  readonly length: number;
  readonly originalLength: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Number in `interfaces`. */
  readonly interfaceId: number;
  readonly direction: Direction;
}

/** A header for packets that go this way, filled again for each. */
export const blankHeader = (
  direction: Direction,
): { -readonly [Field in keyof PacketHeader]: PacketHeader[Field] } => ({
  length: 0,
  originalLength: 0,
  seconds: 0,
  nanoseconds: 0,
  interfaceId: 0,
  direction,
});

/** What an interface saw, for the end of the file. */
export interface CaptureCounts {
  readonly received: number;
  readonly dropped: number;
}

export interface CaptureWriter {
  /** The packet's bytes go here, `length` of them from what `begin` returned. */
  readonly bytes: Uint8Array;
  /** Bytes of the file so far. */
  readonly total: number;
  /** Makes a record and returns where its packet goes, which must be there before the next call. */
  begin(header: PacketHeader): number;
  /** What interface `id` saw; a pcap file has no place for it. */
  statistics(id: number, counts: CaptureCounts): void;
  /** Writes what is buffered. */
  flush(): void;
}

/** Appends a packet that lies in one piece. */
export function writePacket(writer: CaptureWriter, header: PacketHeader, bytes: Uint8Array): void {
  const at = writer.begin(header);
  writer.bytes.set(header.length < bytes.length ? bytes.subarray(0, header.length) : bytes, at);
}
