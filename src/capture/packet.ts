// SPDX-License-Identifier: BSD-3-Clause
// What a capture file says of one packet, and the limits that every reader and writer keeps.

/** LINKTYPE_ETHERNET of the registry of link types. */
export const ETHERNET = 1;

/** The most bytes that a record may hold, as in libpcap: a larger length is that of a hostile file. */
export const MAX_CAPTURED = 262_144;

/** epb_flags: which way the packet passed (pcapng, section 4.3). */
export type Direction = 'unknown' | 'in' | 'out';

/** A reader has one of these, which the next call overwrites. */
export interface CapturedPacket {
  /** Valid until the next packet is read. */
  bytes: Uint8Array;
  /** Where the packet starts in `bytes`. */
  offset: number;
  /** Bytes that the file holds of it; a frame check sequence is none of them. */
  length: number;
  /** Bytes that it had when it was captured, without a frame check sequence that the file tells of. */
  originalLength: number;
  /** Since 1970. */
  seconds: number;
  nanoseconds: number;
  /** Of the section; 0 in a pcap file. */
  interfaceId: number;
  linkType: number;
}

/** Reads packet for packet. Synchronous, as lcores have no event loop. */
export interface PacketReader {
  /**
   * The next packet, always in the same object; undefined at the end. Throws a PmdError where the file is
   * wrong.
   */
  next(): Readonly<CapturedPacket> | undefined;
}

export const noPacket = (): CapturedPacket => ({
  bytes: new Uint8Array(0),
  offset: 0,
  length: 0,
  originalLength: 0,
  seconds: 0,
  nanoseconds: 0,
  interfaceId: 0,
  linkType: ETHERNET,
});

/**
 * Takes a frame check sequence of `size` bytes off the packet's end, or what the file holds of it: it is the
 * wire's, and the port that sends the packet makes its own.
 */
export function stripFcs(packet: CapturedPacket, size: number): void {
  if (size === 0) return;
  const whole = Math.max(packet.length, packet.originalLength);
  packet.originalLength = Math.max(0, whole - size);
  packet.length = Math.min(packet.length, packet.originalLength);
}

/** A view of the packet's bytes, for callers that may allocate one. */
export const bytesOf = ({ bytes, offset, length }: Readonly<CapturedPacket>): Uint8Array =>
  bytes.subarray(offset, offset + length);
