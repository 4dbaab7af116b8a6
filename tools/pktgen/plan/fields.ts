// SPDX-License-Identifier: BSD-3-Clause
// Header fields as text, to what a frame has in them: fixed bytes, or a plan of how they vary.
import { isIPv4, isIPv6 } from 'node:net';
import { TCP } from '../../../src/packet/headers.ts';
import { isMac, macBytes } from '../../../src/packet/mac.ts';
import { fault, quoted } from './fault.ts';
import type { FieldPlan } from './frame-plan.ts';
import type { Field } from './stream.ts';

export interface FieldKind {
  readonly name: string;
  /** Bytes of the field. */
  readonly width: number;
  /** Bytes that a range may vary, at the field's end; 0 where a range would mean nothing. */
  readonly varied: 0 | 2 | 4;
  /** Undefined if the text is no such value. */
  readonly bytes: (text: string) => Uint8Array | undefined;
}

export interface FieldSource {
  /** The bytes of a fixed value; undefined for one that varies. */
  readonly fixed?: Uint8Array;
  /** The leading bytes of a range, which do not vary. */
  readonly prefix?: Uint8Array;
  readonly varies?: Pick<FieldPlan, 'width' | 'range' | 'list'>;
}

const numberBytes = (most: number) => (text: string) => {
  const value = /^\d+$/.test(text) ? Number(text) : -1;
  return value >= 0 && value <= most ? Uint8Array.of(value >>> 8, value) : undefined;
};

export const MAC: FieldKind = {
  ...{ name: 'a MAC address such as 02:00:00:00:00:01', width: 6, varied: 4 },
  bytes: (text) => (isMac(text) ? macBytes(text) : undefined),
};
export const IPV4_ADDRESS: FieldKind = {
  ...{ name: 'an IPv4 address such as 10.0.0.1', width: 4, varied: 4 },
  bytes: (text) => (isIPv4(text) ? Uint8Array.from(text.split('.'), Number) : undefined),
};
export const IPV6_ADDRESS: FieldKind = {
  ...{ name: 'an IPv6 address such as 2001:2::1', width: 16, varied: 4 },
  bytes: (text) => (isIPv6(text) ? ipv6Bytes(text) : undefined),
};
export const PORT: FieldKind = {
  ...{ name: 'a port from 0 to 65535', width: 2, varied: 2 },
  bytes: numberBytes(0xffff),
};
export const VLAN_ID: FieldKind = {
  ...{ name: 'a VLAN from 0 to 4095', width: 2, varied: 2 },
  bytes: numberBytes(0xfff),
};

export const UINT32: FieldKind = {
  ...{ name: 'a number from 0 to 4294967295', width: 4, varied: 4 },
  bytes: (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : -1;
    if (value < 0 || value > 0xffff_ffff) return undefined;
    return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
  },
};

/** From the lowest bit on (RFC 9293, 3.1). */
const TCP_FLAG_NAMES = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr'];
const TCP_WORDS = TCP.HEADER / 4;

/** With the header's length in front, which shares their word. */
export const TCP_FLAGS: FieldKind = {
  ...{ name: `TCP flags such as syn+ack (${TCP_FLAG_NAMES.join(', ')}), or none`, width: 2, varied: 0 },
  bytes: (text) => {
    const bits = text === 'none' ? [] : text.split('+').map((name) => TCP_FLAG_NAMES.indexOf(name));
    if (bits.includes(-1)) return undefined;
    return Uint8Array.of(
      TCP_WORDS << 4,
      bits.reduce((flags, bit) => flags | (1 << bit), 0),
    );
  },
};

/** RFC 4291, 2.2; without zone. */
function ipv6Bytes(text: string): Uint8Array | undefined {
  if (text.includes('%')) return undefined;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const tail = dotted ? (dotted[2] as string).split('.').map(Number) : [];
  const words = dotted
    ? `${dotted[1]}${(((tail[0] as number) << 8) | (tail[1] as number)).toString(16)}:${(((tail[2] as number) << 8) | (tail[3] as number)).toString(16)}`
    : text;
  const [head = '', rest] = words.split('::');
  const groups = (part: string) =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const [before, after] = [groups(head), groups(rest ?? '')];
  const all = [...before, ...new Array(8 - before.length - after.length).fill(0), ...after];
  return Uint8Array.from(all.flatMap((word) => [word >>> 8, word & 0xff]));
}

/** Throws VPCI_ARGUMENT; `what` names the field and where it is from. */
export function parseField(kind: FieldKind, field: Field, what: string): FieldSource {
  if (typeof field === 'object') return listOf(kind, field.map(String), what);
  const text = String(field).trim();
  if (text.includes(',')) return listOf(kind, text.split(','), what);
  const range = /^(random:)?([^-]+)-([^-/]+)(?:\/(\d+))?$/.exec(text);
  if (!range) return { fixed: bytesOf(kind, text, what) };
  // "syn-ack" means both to its writer, never what lies between 2 and 16.
  if (kind.varied === 0)
    throw fault(what, `${quoted(text)} is a range: it takes ${kind.name}, or a list 'A,B,C'`);
  const [, random, from = '', to = '', step = '1'] = range;
  return rangeOf(kind, [from, to], { step: Number(step), random: random !== undefined }, what);
}

function bytesOf(kind: FieldKind, text: string, what: string): Uint8Array {
  const bytes = kind.bytes(text.trim());
  if (bytes) return bytes;
  const network = /^[\d.:a-f]+\/\d+$/i.test(text) ? '; a network is given as a range: FIRST-LAST' : '';
  throw fault(what, `${quoted(text)} is not ${kind.name}${network}`);
}

function listOf(kind: FieldKind, texts: readonly string[], what: string): FieldSource {
  const list = Uint8Array.from(texts.flatMap((text) => [...bytesOf(kind, text, what)]));
  return { varies: { width: kind.width, list } };
}

function rangeOf(
  kind: FieldKind,
  [first, last]: readonly [string, string],
  how: { readonly step: number; readonly random: boolean },
  what: string,
): FieldSource {
  const fixed = kind.width - kind.varied;
  const [low, high] = [bytesOf(kind, first, what), bytesOf(kind, last, what)];
  const number = (bytes: Uint8Array) => bytes.subarray(fixed).reduce((sum, byte) => sum * 256 + byte, 0);
  const [from, to] = [number(low), number(high)];
  const prefix = low.subarray(0, fixed);
  if (prefix.some((byte, i) => byte !== high[i]))
    throw fault(what, `${quoted(`${first}-${last}`)} differs before its last ${kind.varied} bytes`);
  if (from > to) throw fault(what, `${quoted(`${first}-${last}`)} runs backwards`);
  if (how.step < 1) throw fault(what, 'a step must be above 0');
  return { prefix, varies: { width: kind.varied, range: { from, to, ...how } } };
}
