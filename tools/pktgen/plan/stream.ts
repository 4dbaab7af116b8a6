// SPDX-License-Identifier: BSD-3-Clause
// A stream as a user describes it, on the command line, in a file or in a program; and its check.
import { fault, quoted } from './fault.ts';

/**
 * A header field: one value ("10.0.0.1"), a range in steps of 1 ("10.0.0.1-10.0.0.9") or of another size
 * ("…/2"), at random ("random:10.0.0.1-10.0.0.9"), or a list (an array, or "a,b,c").
 */
export type Field = string | number | readonly (string | number)[];

/** One stream of UDP datagrams or TCP segments. Everything has a default. */
export interface Stream {
  /** One line without control characters, and no other stream's; by default its number. */
  readonly name?: string;
  /**
   * Frames per second (1000, '1mpps'), bits of frames per second ('2gbps'; with what a wire adds:
   * '2gbps-l1'), '10%' of the line, or 'max': above 0, at most 10 Gpps or 10 Tbit/s. By default a share of
   * the run's rate.
   */
  readonly rate?: string | number;
  /**
   * Bytes of a frame without FCS, from what the headers need (56 of IPv4 and UDP) to 9018: 64, a range
   * '64-1518', 'random:64-1518/4', in turns '64,128', by weights '7:64,4:570,1:1518', or 'imix', which is
   * that, its 64 as large as the headers need. Default 64, or what the headers need.
   */
  readonly size?: string | number;
  /** Frames that are sent together; the rate stays the same. */
  readonly burst?: number;
  /** Random times between frames, exponentially distributed, instead of equal ones. */
  readonly poisson?: boolean;
  /** Frames to send; by default, as many as the duration allows. */
  readonly count?: number;
  /** Default '02:00:00:00:00:02'. */
  readonly srcMac?: Field;
  /** Default '02:00:00:00:00:01'. */
  readonly dstMac?: Field;
  /** IEEE 802.1Q identifier; without it, there is no tag. */
  readonly vlan?: Field;
  /** Priority in the tag, 0 to 7. */
  readonly priority?: number;
  /**
   * IPv4 or IPv6; source and destination must be of one kind. Default '198.18.0.1' (RFC 2544, C.2.2), where
   * `dstIp` is of IPv6 '2001:2::1' (RFC 5180).
   */
  readonly srcIp?: Field;
  /** As `srcIp`; default '198.18.0.2', where `srcIp` is of IPv6 '2001:2::2'. */
  readonly dstIp?: Field;
  /** IPv4's time to live or IPv6's hop limit, 1 to 255; default 64. */
  readonly ttl?: number;
  /** Differentiated services code point, 0 to 63; default 0. */
  readonly dscp?: number;
  /** Default 'udp'. TCP segments are frames like others: no connection is opened. */
  readonly protocol?: 'udp' | 'tcp';
  /** UDP's or TCP's; default 9, discard. */
  readonly srcPort?: Field;
  /** As `srcPort`. */
  readonly dstPort?: Field;
  /** Names of flags with + between them, 'syn', 'psh+ack', or 'none'; or a list, no range. Default 'ack'. */
  readonly tcpFlags?: Field;
  /** TCP's sequence number, 0 to 4294967295; default 0. */
  readonly tcpSeq?: Field;
  /** TCP's acknowledgment number, 0 to 4294967295; default 0. */
  readonly tcpAck?: Field;
}

const NUMBERS: Readonly<Record<string, readonly [number, number]>> = {
  burst: [1, 65_536],
  count: [1, Number.MAX_SAFE_INTEGER],
  priority: [0, 7],
  ttl: [1, 255],
  dscp: [0, 63],
};
const TCP_FIELDS = ['tcpFlags', 'tcpSeq', 'tcpAck'];
const FIELDS = ['srcMac', 'dstMac', 'vlan', 'srcIp', 'dstIp', 'srcPort', 'dstPort', ...TCP_FIELDS];
export const STREAM_KEYS = [
  'name',
  'rate',
  'size',
  'poisson',
  'protocol',
  ...FIELDS,
  ...Object.keys(NUMBERS),
];
/** The signature has one byte for it. */
export const MAX_STREAMS = 256;

/** Throws VPCI_ARGUMENT, in one line, unless `value` is a list of streams; `where` names its source. */
export function checkStreams(value: unknown, where: string): readonly Stream[] {
  if (!Array.isArray(value) || value.length === 0)
    throw fault(where, 'the streams must be an array with at least one stream');
  if (value.length > MAX_STREAMS) throw fault(where, `${value.length} streams are more than ${MAX_STREAMS}`);
  for (const [i, stream] of value.entries()) checkStream(stream, `${where}: ${placeOf(stream, i)}`);
  checkNames(value as Stream[], where);
  return value as Stream[];
}

/** As messages call a stream, whatever it is: "stream 2", "stream 2 (voice)". */
export function placeOf(stream: unknown, index: number): string {
  const name = (stream as Stream | null | undefined)?.name;
  return isName(name) && name !== String(index) ? `stream ${index} (${name})` : `stream ${index}`;
}

/** What a stream is called in reports and commands. */
export const nameOf = ({ name }: Stream, index: number): string => name ?? String(index);

const isName = (name: unknown): name is string =>
  typeof name === 'string' && !/\p{Cc}|[\u2028\u2029]/u.test(name);

function checkNames(streams: readonly Stream[], where: string): void {
  const first = new Map<string, number>();
  for (const [i, stream] of streams.entries()) {
    const name = nameOf(stream, i);
    const other = first.get(name);
    if (other !== undefined) {
      const numbered = stream.name === undefined ? ', the number of one without a name' : '';
      throw fault(where, `streams ${other} and ${i} have one name, '${name}'${numbered}`);
    }
    first.set(name, i);
  }
}

function checkStream(stream: unknown, where: string): void {
  if (typeof stream !== 'object' || stream === null || Array.isArray(stream))
    throw fault(where, `${quoted(stream)} is not an object`);
  for (const [key, value] of Object.entries(stream)) {
    if (!STREAM_KEYS.includes(key)) throw fault(where, unknownKey(key));
    if (value !== undefined) checkValue(key, value, where);
  }
}

function checkValue(key: string, value: unknown, where: string): void {
  const wrong = (expected: string) => fault(where, `${key} must be ${expected}, not ${quoted(value)}`);
  const isPlain = isTextOrNumber(value);
  const limits = NUMBERS[key];
  if (limits) {
    const [least, most] = limits;
    const fits = Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
    if (!fits) throw wrong(`a whole number from ${least} to ${most}`);
  } else if (key === 'poisson') {
    if (typeof value !== 'boolean') throw wrong('true or false');
  } else if (key === 'protocol') {
    if (value !== 'udp' && value !== 'tcp') throw wrong("'udp' or 'tcp'");
  } else if (key === 'name') {
    if (!isName(value)) throw wrong('a text of one line, without control characters');
  } else if (FIELDS.includes(key)) {
    const isList = Array.isArray(value) && value.length > 0 && value.every(isTextOrNumber);
    if (!isPlain && !isList) throw wrong('a value, a range or a list');
  } else if (!isPlain) throw wrong('a text or a number');
}

const isTextOrNumber = (value: unknown): boolean => typeof value === 'string' || typeof value === 'number';

function unknownKey(key: string): string {
  const near = STREAM_KEYS.find((known) => distance(known.toLowerCase(), key.toLowerCase()) <= 2);
  return `unknown key '${key}'${near === undefined ? `; known: ${STREAM_KEYS.join(', ')}` : `; did you mean '${near}'?`}`;
}

/** Edits between two words (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let k = 1; k <= b.length; k++) {
      const change = (above[k - 1] as number) + (a[i - 1] === b[k - 1] ? 0 : 1);
      row[k] = Math.min((above[k] as number) + 1, (row[k - 1] as number) + 1, change);
    }
  }
  return row[b.length] as number;
}
