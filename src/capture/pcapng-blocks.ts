// SPDX-License-Identifier: BSD-3-Clause
// Numbers of pcapng (draft-ietf-opsawg-pcapng), for the reader and the writer.

/** Block types, section 10.1. */
export const BLOCK = {
  SECTION_HEADER: 0x0a0d0d0a,
  INTERFACE: 1,
  /** Obsolete, still found. */
  PACKET: 2,
  SIMPLE_PACKET: 3,
  STATISTICS: 5,
  ENHANCED_PACKET: 6,
} as const;

/** First word of a section's body, from which its byte order is known. */
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

/** Type and total length before a block, total length after it. */
export const BLOCK_HEAD = 8;
export const BLOCK_TAIL = 4;
export const MIN_BLOCK = BLOCK_HEAD + BLOCK_TAIL;

/** Bytes of a body before its packet or options. */
export const BODY = { SECTION: 16, INTERFACE: 8, PACKET: 20, SIMPLE_PACKET: 4, STATISTICS: 12 } as const;

export const OPTION = {
  END: 0,
  COMMENT: 1,
  HARDWARE: 2,
  OS: 3,
  APPLICATION: 4,
  IF_NAME: 2,
  IF_DESCRIPTION: 3,
  IF_TIME_RESOLUTION: 9,
  IF_FILTER: 11,
  IF_FCS_LENGTH: 13,
  IF_TIME_OFFSET: 14,
  EPB_FLAGS: 2,
  ISB_START: 2,
  ISB_END: 3,
  ISB_RECEIVED: 4,
  ISB_DROPPED: 5,
} as const;

/** epb_flags, section 4.3.1: bits 5 to 8 are the bytes of the packet's frame check sequence; 0: not known. */
export const fcsOfFlags = (flags: number): number => (flags >>> 5) & 0xf;

/** Bytes up to the next multiple of four. */
export const padding = (length: number): number => -length & 3;
