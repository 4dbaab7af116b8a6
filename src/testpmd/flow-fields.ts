// SPDX-License-Identifier: BSD-3-Clause
// The fields of headers that flow rules compare, by testpmd's names, and how their values are written.
import { isIPv4, isIPv6 } from 'node:net';
import { isMac, macBytes } from '../packet/mac.ts';

export interface Field {
  /** Offset in the header and length, in bytes. */
  readonly offset: number;
  readonly length: number;
  /** Of a part of those bytes: its lowest bit, and how many it has. */
  readonly shift?: number;
  readonly bits?: number;
}

const bytes = (offset: number, length: number): Field => ({ offset, length });
const bits = (shift: number, count: number): Field => ({ offset: 0, length: 2, shift, bits: count });

/** Offsets are from the start of the header; those of vlan from its TCI. */
export const FIELDS: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
  eth: { dst: bytes(0, 6), src: bytes(6, 6), type: bytes(12, 2) },
  vlan: {
    tci: bytes(0, 2),
    pcp: bits(13, 3),
    dei: bits(12, 1),
    vid: bits(0, 12),
    inner_type: bytes(2, 2),
  },
  ipv4: {
    tos: bytes(1, 1),
    packet_id: bytes(4, 2),
    fragment_offset: bytes(6, 2),
    ttl: bytes(8, 1),
    proto: bytes(9, 1),
    src: bytes(12, 4),
    dst: bytes(16, 4),
  },
  ipv6: { proto: bytes(6, 1), hop: bytes(7, 1), src: bytes(8, 16), dst: bytes(24, 16) },
  udp: { src: bytes(0, 2), dst: bytes(2, 2) },
  tcp: { src: bytes(0, 2), dst: bytes(2, 2), flags: bytes(13, 1) },
};

/** The bytes of a value; null if it is none of the field. */
export function fieldValue(field: Field, text: string): Uint8Array | null {
  if (field.length === 6) return isMac(text) ? macBytes(text) : null;
  if (field.length === 4) return isIPv4(text) ? Uint8Array.from(text.split('.'), Number) : null;
  if (field.length === 16) return isIPv6(text) ? ipv6Bytes(text) : null;
  if (!/^(\d{1,10}|0x[0-9a-f]{1,8})$/i.test(text)) return null;
  const value = Number(text);
  if (value >= 2 ** (field.bits ?? field.length * 8)) return null;
  return numberBytes(value << (field.shift ?? 0), field.length);
}

/** A mask of the whole field. */
export function fullMask(field: Field): Uint8Array {
  if (field.bits === undefined) return new Uint8Array(field.length).fill(0xff);
  return numberBytes((2 ** field.bits - 1) << (field.shift ?? 0), field.length);
}

/** A mask of the field's first `count` bits; null if it has fewer. */
export function prefixMask(field: Field, text: string): Uint8Array | null {
  const width = field.bits ?? field.length * 8;
  const count = /^\d{1,3}$/.test(text) ? Number(text) : width + 1;
  if (count > width) return null;
  const mask = new Uint8Array(field.length);
  const first = field.length * 8 - (field.shift ?? 0) - width;
  for (let bit = first; bit < first + count; bit++) mask[bit >>> 3] |= 0x80 >>> (bit & 7);
  return mask;
}

const numberBytes = (value: number, length: number) =>
  Uint8Array.from({ length }, (_, i) => value >>> ((length - 1 - i) * 8));

/** The 16 bytes of an address that node:net accepts. */
function ipv6Bytes(text: string): Uint8Array {
  const [address = ''] = text.split('%');
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const plain = dotted ? address.slice(0, dotted.index) + ipv4Words(dotted.slice(1).map(Number)) : address;
  const [head = '', tail] = plain.split('::');
  const words = (part: string) =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const [before, after] = [words(head), words(tail ?? '')];
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Uint8Array.from(all.flatMap((word) => [word >>> 8, word & 0xff]));
}

const ipv4Words = ([a = 0, b = 0, c = 0, d = 0]: readonly number[]) =>
  `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
