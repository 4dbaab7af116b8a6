// SPDX-License-Identifier: BSD-3-Clause
// Writes the frames of a stream into mbufs. The pool belongs to the stream alone, so an mbuf still holds what
// was written there before: where nothing but the signature varies, only that and its checksum are written.
//
// The signature is three little-endian words behind the headers: tag of run and stream, number, and the time
// when the frame was due. The checksum of UDP or TCP covers it; the payload after it is zero and adds
// nothing. Sums of 16-bit words may be taken in either byte order and swapped at the end (RFC 1071, 2B).
import type { Mempool } from '../../../src/ethdev/mempool.ts';
import { IPV4, IPV6, TCP, UDP } from '../../../src/packet/headers.ts';
import { type FramePlan, SIGNATURE } from '../plan/frame-plan.ts';
import { FieldWriter, foldedSum, swap16 } from './field-writer.ts';
import { SizePicker } from './size-picker.ts';
import { tagOf } from './tag.ts';

export class FrameWriter {
  readonly #pool: Mempool;
  readonly #plan: FramePlan;
  readonly #fields: readonly FieldWriter[];
  readonly #sizes: SizePicker;
  /** The headers as words, and their sums without lengths and varied fields. */
  readonly #header: Uint32Array;
  readonly #headerWords: number;
  readonly #ipSum: number;
  readonly #l4Sum: number;
  readonly #isTcp: boolean;
  /** Offset in the frame. */
  readonly #checksum: number;
  readonly #firstTag: number;
  #tag: number;
  readonly #fixed: boolean;
  /** Number of the next frame, a signed 32-bit integer. */
  #number = 0;

  constructor(plan: FramePlan, pool: Mempool, tag: number, seed: number) {
    this.#plan = plan;
    this.#pool = pool;
    this.#firstTag = tag;
    this.#tag = tag | 0;
    this.#fields = plan.fields.map((field, i) => new FieldWriter(field, seed + i + 1));
    this.#sizes = new SizePicker(plan, seed);
    this.#header = new Uint32Array(Uint8Array.from(plan.headers).buffer);
    this.#headerWords = this.#header.length;
    this.#ipSum = plan.isIpv6 ? 0 : foldedSum(plan.headers, plan.ip, plan.l4);
    this.#isTcp = plan.protocol === IPV4.PROTOCOL_TCP;
    this.#checksum = plan.l4 + (this.#isTcp ? TCP.CHECKSUM : UDP.CHECKSUM);
    this.#l4Sum = this.#staticSum();
    this.#fixed = this.#fields.length === 0 && this.#sizes.single > 0;
    pool.bytes.fill(0);
    if (this.#fixed) this.#prepare();
  }

  /** Begins anew with frame 0 and the first values of all fields, in the trial of this number. */
  reset(generation: number): void {
    this.#tag = tagOf(this.#firstTag, generation);
    this.#number = 0;
    this.#sizes.reset();
    for (const field of this.#fields) field.reset();
  }

  /** HOT. Writes the next frame; `due` is its time stamp. */
  write(mbuf: number, due: number): void {
    const { stride, headroom, words, bytes, dataLen, pktLen } = this.#pool;
    const at = mbuf * stride + headroom;
    const size = this.#fixed ? this.#sizes.single : this.#sizes.next();
    let sum = this.#l4Sum;
    if (this.#fixed) sum += this.#lengthSum(size);
    else {
      const first = at >>> 2;
      for (let i = 0; i < this.#headerWords; i++) words[first + i] = this.#header[i];
      sum += this.#vary(bytes, at, size);
    }
    const signature = (at >>> 2) + this.#headerWords;
    words[signature] = this.#tag;
    words[signature + 1] = this.#number;
    words[signature + 2] = due;
    const own = halves(this.#tag) + halves(this.#number) + halves(due);
    writeChecksum(bytes, at + this.#checksum, sum + swap16(fold(own)), !this.#isTcp);
    this.#number = (this.#number + 1) | 0;
    dataLen[mbuf] = size;
    pktLen[mbuf] = size;
  }

  /** Writes what never changes into all mbufs. */
  #prepare(): void {
    const { count, stride, headroom, bytes } = this.#pool;
    for (let mbuf = 0; mbuf < count; mbuf++) {
      const at = mbuf * stride + headroom;
      bytes.set(this.#plan.headers, at);
      this.#vary(bytes, at, this.#sizes.single);
    }
  }

  /** HOT. Writes lengths, fields and the header's checksum; returns the sum of all but the signature. */
  #vary(bytes: Uint8Array, at: number, size: number): number {
    const { ip, l4, isIpv6 } = this.#plan;
    let ipSum = this.#ipSum;
    let l4Sum = this.#lengthSum(size);
    for (let i = 0; i < this.#fields.length; i++) {
      const field = this.#fields[i];
      const sum = field.write(bytes, at);
      if (field.inIp) ipSum += sum;
      if (field.inL4) l4Sum += sum;
    }
    const segment = size - l4;
    if (!this.#isTcp) {
      bytes[at + l4 + UDP.LENGTH] = segment >>> 8;
      bytes[at + l4 + UDP.LENGTH + 1] = segment;
    }
    const ipLength = isIpv6 ? segment : size - ip;
    const lengthAt = at + ip + (isIpv6 ? IPV6.PAYLOAD_LENGTH : IPV4.TOTAL_LENGTH);
    bytes[lengthAt] = ipLength >>> 8;
    bytes[lengthAt + 1] = ipLength;
    if (!isIpv6) writeChecksum(bytes, at + ip + IPV4.CHECKSUM, ipSum + ipLength, false);
    return l4Sum;
  }

  /** HOT. The length is in the pseudo-header, and a datagram's in the UDP header too. */
  #lengthSum(size: number): number {
    const length = size - this.#plan.l4;
    return this.#isTcp ? length : 2 * length;
  }

  /** Addresses and protocol (pseudo-header), UDP or TCP header, and padding before the signature. */
  #staticSum(): number {
    const { headers, ip, l4, isIpv6, protocol } = this.#plan;
    const addresses = isIpv6 ? [ip + IPV6.SOURCE, ip + IPV6.HEADER] : [ip + IPV4.SOURCE, ip + IPV4.HEADER];
    return protocol + foldedSum(headers, addresses[0], addresses[1]) + foldedSum(headers, l4, headers.length);
  }
}

/** The smallest frame that has room for the signature. */
export const smallestFrame = (headers: number): number => headers + SIGNATURE;

/** HOT. Sum of the two halves of a word. */
function halves(word: number): number {
  return (word & 0xffff) + (word >>> 16);
}

/** HOT. */
function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** HOT. `isUdp`: 0 would mean "no checksum" (RFC 768). */
function writeChecksum(bytes: Uint8Array, at: number, sum: number, isUdp: boolean): void {
  const checksum = ~fold(sum) & 0xffff;
  const written = isUdp && checksum === 0 ? 0xffff : checksum;
  bytes[at] = written >>> 8;
  bytes[at + 1] = written;
}
