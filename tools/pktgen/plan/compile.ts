// SPDX-License-Identifier: BSD-3-Clause
// From a stream as described to the bytes and plans that the lcore works with.
import { isIPv6 } from 'node:net';
import { ETHER, IPV4, IPV6, TCP, UDP } from '../../../src/packet/headers.ts';
import { fault } from './fault.ts';
import {
  type FieldKind,
  type FieldSource,
  IPV4_ADDRESS,
  IPV6_ADDRESS,
  MAC,
  PORT,
  parseField,
  TCP_FLAGS,
  UINT32,
  VLAN_ID,
} from './fields.ts';
import { type FieldPlan, type FramePlan, SIGNATURE, type StreamPlan } from './frame-plan.ts';
import { extremes, IMIX_SMALLEST, type Least, meanSize, parseSizes } from './sizes.ts';
import { type Field, nameOf, type Stream } from './stream.ts';

const DEFAULT_TTL = 64;
/** RFC 2544's addresses (C.2.2, RFC 5180) and the discard port. */
const DEFAULTS = {
  srcIp: '198.18.0.1',
  dstIp: '198.18.0.2',
  srcIp6: '2001:2::1',
  dstIp6: '2001:2::2',
  port: 9,
  tcpFlags: 'ack',
  /** As many bytes as the field can say. */
  tcpWindow: 0xffff,
  size: 64,
};

export interface CompiledStream {
  readonly name: string;
  readonly plan: StreamPlan;
  readonly meanSize: number;
  readonly largest: number;
  /** What was made of the description that it does not say. */
  readonly note?: string;
}

/** Addresses of streams that name none. */
export interface Macs {
  readonly srcMac: string;
  readonly dstMac: string;
}

interface Place {
  readonly offset: number;
  readonly inIp: boolean;
  readonly inL4: boolean;
}

/** Throws VPCI_ARGUMENT, naming `where` and the key. */
export function compileStream(
  stream: Stream,
  index: number,
  macs: Macs,
  where: string,
  seed: number,
): CompiledStream {
  const builder = new FrameBuilder(stream, macs, where);
  const frame = builder.build();
  const plan: StreamPlan = {
    frame,
    replay: null,
    burst: stream.burst ?? 1,
    poisson: stream.poisson ?? false,
    count: stream.count ?? Number.POSITIVE_INFINITY,
    seed: (seed + 0x9e37 * (index + 1)) | 0,
  };
  return {
    name: nameOf(stream, index),
    plan,
    meanSize: meanSize(frame),
    largest: extremes(frame)[1],
    ...builder.note(),
  };
}

class FrameBuilder {
  readonly #stream: Stream;
  readonly #macs: Macs;
  readonly #where: string;
  readonly #headers: Uint8Array;
  readonly #fields: FieldPlan[] = [];
  readonly #isIpv6: boolean;
  readonly #ip: number;
  readonly #l4: number;
  readonly #protocol: number;

  constructor(stream: Stream, macs: Macs, where: string) {
    this.#stream = stream;
    this.#macs = macs;
    this.#where = where;
    this.#isIpv6 = [stream.srcIp, stream.dstIp].some((field) => field !== undefined && looksIpv6(field));
    this.#ip = ETHER.HEADER + (stream.vlan === undefined ? 0 : ETHER.VLAN_TAG);
    this.#l4 = this.#ip + (this.#isIpv6 ? IPV6.HEADER : IPV4.HEADER);
    this.#protocol = stream.protocol === 'tcp' ? IPV4.PROTOCOL_TCP : IPV4.PROTOCOL_UDP;
    const l4Header = stream.protocol === 'tcp' ? TCP.HEADER : UDP.HEADER;
    this.#headers = new Uint8Array((this.#l4 + l4Header + 3) & ~3);
  }

  /** That the smallest frames of imix are larger than 64 bytes. */
  note(): { readonly note?: string } {
    const { bytes, headers } = this.#least;
    if (this.#stream.size !== 'imix' || bytes <= IMIX_SMALLEST) return {};
    return {
      note: `${this.#where}size: the smallest frames of imix have ${bytes} bytes instead of ${IMIX_SMALLEST}, which ${headers} need`,
    };
  }

  get #least(): Least {
    const tag = this.#stream.vlan === undefined ? [] : ['VLAN'];
    const ip = this.#isIpv6 ? 'IPv6' : 'IPv4';
    const l4 = this.#protocol === IPV4.PROTOCOL_TCP ? 'TCP' : 'UDP';
    return { bytes: this.#headers.length + SIGNATURE, headers: `${[...tag, ip].join(', ')} and ${l4}` };
  }

  build(): FramePlan {
    const { size = Math.max(DEFAULTS.size, this.#least.bytes) } = this.#stream;
    const sizes = parseSizes(size, `${this.#where}size`, this.#least);
    this.#ethernet();
    if (this.#isIpv6) this.#ipv6();
    else this.#ipv4();
    this.#ports();
    this.#tcp();
    return {
      ...{
        headers: this.#headers,
        ip: this.#ip,
        l4: this.#l4,
        isIpv6: this.#isIpv6,
        protocol: this.#protocol,
      },
      ...{ fields: this.#fields, ...sizes },
    };
  }

  #ethernet(): void {
    const { srcMac = this.#macs.srcMac, dstMac = this.#macs.dstMac, vlan, priority = 0 } = this.#stream;
    const outside = { inIp: false, inL4: false };
    this.#put('dstMac', MAC, dstMac, { offset: ETHER.DESTINATION, ...outside });
    this.#put('srcMac', MAC, srcMac, { offset: ETHER.SOURCE, ...outside });
    const type = this.#isIpv6 ? ETHER.TYPE_IPV6 : ETHER.TYPE_IPV4;
    if (vlan !== undefined) {
      this.#word(ETHER.TYPE, ETHER.TYPE_VLAN);
      const tag = { offset: ETHER.HEADER, ...outside };
      this.#put('vlan', prioritized(priority), vlan, tag);
    } else if (this.#stream.priority !== undefined) throw fault(`${this.#where}priority`, 'there is no vlan');
    this.#word(this.#ip - 2, type);
  }

  /** RFC 791, 3.1. */
  #ipv4(): void {
    const { srcIp = DEFAULTS.srcIp, dstIp = DEFAULTS.dstIp, ttl = DEFAULT_TTL, dscp = 0 } = this.#stream;
    this.#headers[this.#ip] = 0x45; // version 4, five words
    this.#headers[this.#ip + 1] = dscp << 2;
    this.#headers[this.#ip + IPV4.TTL] = ttl;
    this.#headers[this.#ip + IPV4.PROTOCOL] = this.#protocol;
    const covered = { inIp: true, inL4: true };
    this.#put('srcIp', IPV4_ADDRESS, srcIp, { offset: this.#ip + IPV4.SOURCE, ...covered });
    this.#put('dstIp', IPV4_ADDRESS, dstIp, { offset: this.#ip + IPV4.DESTINATION, ...covered });
  }

  /** RFC 8200, 3. */
  #ipv6(): void {
    const { srcIp = DEFAULTS.srcIp6, dstIp = DEFAULTS.dstIp6, ttl = DEFAULT_TTL, dscp = 0 } = this.#stream;
    this.#word(this.#ip, 0x6000 | (dscp << 6)); // version 6, traffic class
    this.#headers[this.#ip + IPV6.NEXT_HEADER] = this.#protocol;
    this.#headers[this.#ip + IPV6.HOP_LIMIT] = ttl;
    const covered = { inIp: false, inL4: true };
    this.#put('srcIp', IPV6_ADDRESS, srcIp, { offset: this.#ip + IPV6.SOURCE, ...covered });
    this.#put('dstIp', IPV6_ADDRESS, dstIp, { offset: this.#ip + IPV6.DESTINATION, ...covered });
  }

  /** UDP and TCP have them at the same places. */
  #ports(): void {
    const { srcPort = DEFAULTS.port, dstPort = DEFAULTS.port } = this.#stream;
    this.#put('srcPort', PORT, srcPort, this.#inL4(UDP.SOURCE_PORT));
    this.#put('dstPort', PORT, dstPort, this.#inL4(UDP.DESTINATION_PORT));
  }

  /** RFC 9293, 3.1. */
  #tcp(): void {
    const { tcpFlags = DEFAULTS.tcpFlags, tcpSeq = 0, tcpAck = 0 } = this.#stream;
    if (this.#protocol !== IPV4.PROTOCOL_TCP) {
      const given = (['tcpFlags', 'tcpSeq', 'tcpAck'] as const).find(
        (key) => this.#stream[key] !== undefined,
      );
      if (given !== undefined) throw fault(`${this.#where}${given}`, 'the protocol is not tcp');
      return;
    }
    this.#put('tcpSeq', UINT32, tcpSeq, this.#inL4(TCP.SEQUENCE));
    this.#put('tcpAck', UINT32, tcpAck, this.#inL4(TCP.ACKNOWLEDGMENT));
    this.#put('tcpFlags', TCP_FLAGS, tcpFlags, this.#inL4(TCP.DATA_OFFSET));
    this.#word(this.#l4 + TCP.WINDOW, DEFAULTS.tcpWindow);
  }

  #inL4(offset: number): Place {
    return { offset: this.#l4 + offset, inIp: false, inL4: true };
  }

  #word(offset: number, value: number): void {
    this.#headers[offset] = value >>> 8;
    this.#headers[offset + 1] = value;
  }

  #put(key: string, kind: FieldKind, field: Field, { offset, inIp, inL4 }: Place): void {
    const { fixed, prefix, varies }: FieldSource = parseField(kind, field, `${this.#where}${key}`);
    if (fixed) this.#headers.set(fixed, offset);
    if (prefix) this.#headers.set(prefix, offset);
    if (varies) {
      const start = offset + (prefix?.length ?? 0);
      this.#fields.push({ ...varies, offset: start, inIp, inL4 });
    }
  }
}

/** VLAN identifiers with the priority in front (IEEE 802.1Q, 9.6). */
const prioritized = (priority: number): FieldKind => ({
  ...VLAN_ID,
  bytes: (text) => {
    const bytes = VLAN_ID.bytes(text);
    return bytes && Uint8Array.of((bytes[0] as number) | (priority << 5), bytes[1] as number);
  },
});

function looksIpv6(field: Field): boolean {
  const [first = ''] = String(typeof field === 'object' ? field[0] : field)
    .replace(/^random:/, '')
    .split(/[-,]/);
  return isIPv6(first.trim());
}
