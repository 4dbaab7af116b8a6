// SPDX-License-Identifier: BSD-3-Clause
// Receive offload in software, as librte_gro does it in mode csum: packets of a TCP stream over IPv4 become
// one, which is sent with its segment size. So a TX port, or its peer, that takes large packets gets a large
// one, and any other the segments again.
//
// All packets wait until the flush, mergeable or not, so that none overtakes another.
import {
  MBUF_F_CSUM_VALID,
  MBUF_F_NEEDS_CSUM,
  MBUF_F_TSO4,
  MBUF_NO_NEXT,
  type Mempool,
} from '../../ethdev/mempool.ts';
import { readInt32BE, readUint16BE, writeUint16BE } from '../../packet/bytes.ts';
import { internetChecksum } from '../../packet/checksum.ts';
import { ETHER, IPV4, isFragment, networkHeader, TCP } from '../../packet/headers.ts';
import type { FwdStream } from './engine.ts';
import type { Gso } from './gso.ts';
import { streamDrop, streamTransmit } from './stream.ts';

const ACK = 0x10;
/** Most packets in one, so that a sender's segments fit any ring. */
const MAX_MERGED = 64;
const MAX_LENGTH = 0xffff;
const DONT_FRAGMENT = 0x40;

export class Gro {
  readonly #pool: Mempool;
  readonly #cycles: number;
  readonly #gso: Gso | null;
  #cycle = 0;
  #held = 0;
  /** Of each packet that waits: its first and last mbuf, and how many it is; 0: it is not to be merged. */
  readonly #first: Uint32Array;
  readonly #last: Uint32Array;
  readonly #merged: Uint16Array;
  /** Its next sequence number, a hash of its addresses and ports, bytes of the first's payload and of all. */
  readonly #sequence: Int32Array;
  readonly #hash: Int32Array;
  readonly #segment: Uint16Array;
  readonly #length: Uint32Array;
  /** Bytes of all its headers. */
  readonly #headers: Uint16Array;
  // Where the headers of the packet at hand are, and how long.
  #start = 0;
  #ip = 0;
  #tcp = 0;
  #payload = 0;
  #bytes = 0;

  /** Packets wait for `cycles` bursts of at most `burst` packets. `gso`: what is too long then is cut. */
  constructor(pool: Mempool, cycles: number, burst: number, gso: Gso | null = null) {
    const most = Math.max(1, cycles * burst);
    this.#pool = pool;
    this.#cycles = cycles;
    this.#gso = gso;
    this.#first = new Uint32Array(most);
    this.#last = new Uint32Array(most);
    this.#merged = new Uint16Array(most);
    this.#sequence = new Int32Array(most);
    this.#hash = new Int32Array(most);
    this.#segment = new Uint16Array(most);
    this.#length = new Uint32Array(most);
    this.#headers = new Uint16Array(most);
  }

  /** HOT. Takes the burst `stream.pkts[0..n)`, and sends what has waited long enough. */
  burst(stream: FwdStream, n: number): void {
    for (let i = 0; i < n; i++) this.#add(stream.pkts.ids[i]);
    if (this.#held === 0 || ++this.#cycle < this.#cycles) return;
    this.#flush(stream, true);
  }

  /** Packets wait. */
  get busy(): boolean {
    return this.#held > 0;
  }

  /** Frees all that wait. */
  end(stream: FwdStream): void {
    this.#flush(stream, false);
  }

  #flush(stream: FwdStream, send: boolean): void {
    const held = this.#held;
    this.#held = 0;
    this.#cycle = 0;
    let n = 0;
    for (let i = 0; i < held; i++) {
      if (this.#merged[i] > 1) this.#finish(i);
      stream.pkts.ids[n++] = this.#first[i];
      if (n < stream.pkts.capacity && i + 1 < held) continue;
      if (send && this.#gso !== null) this.#gso.transmit(stream, n);
      else if (send) streamTransmit(stream, n);
      else streamDrop(stream, 0, n);
      n = 0;
    }
  }

  #add(id: number): void {
    const hash = this.#locate(id) ? this.#flowHash() : 0;
    const mergeable = hash !== 0 && this.#isData(id);
    if (mergeable && this.#merge(id, hash)) return;
    const at = this.#held++;
    this.#first[at] = id;
    this.#last[at] = id;
    this.#merged[at] = mergeable ? 1 : 0;
    this.#hash[at] = hash;
    if (!mergeable) return;
    this.#sequence[at] = (readInt32BE(this.#pool.bytes, this.#tcp + TCP.SEQUENCE) + this.#bytes) | 0;
    this.#segment[at] = this.#bytes;
    this.#length[at] = this.#payload - this.#ip + this.#bytes;
    this.#headers[at] = this.#payload - this.#start;
  }

  /** Finds the headers of packet `id`; false if it is not TCP over IPv4 without options of IP. */
  #locate(id: number): boolean {
    const { bytes, dataLen } = this.#pool;
    const start = this.#startOf(id);
    const end = start + dataLen[id];
    const ip = networkHeader(bytes, start, end);
    this.#start = start;
    this.#ip = ip;
    this.#tcp = ip + IPV4.HEADER;
    if (ip < 0 || this.#tcp + TCP.HEADER > end) return false;
    if (readUint16BE(bytes, ip - 2) !== ETHER.TYPE_IPV4 || bytes[ip] !== 0x45) return false;
    return bytes[ip + IPV4.PROTOCOL] === IPV4.PROTOCOL_TCP && !isFragment(bytes, ip);
  }

  /** Whether the packet at hand has data, all in one mbuf, and nothing but an acknowledgement besides. */
  #isData(id: number): boolean {
    const { bytes, dataLen, next, olFlags } = this.#pool;
    if (next[id] !== MBUF_NO_NEXT) return false;
    if ((olFlags[id] & ~(MBUF_F_CSUM_VALID | MBUF_F_NEEDS_CSUM)) !== 0) return false;
    const payload = this.#tcp + (bytes[this.#tcp + TCP.DATA_OFFSET] >>> 4) * 4;
    const length = this.#ip + readUint16BE(bytes, this.#ip + IPV4.TOTAL_LENGTH) - payload;
    if (bytes[this.#tcp + TCP.FLAGS] !== ACK || payload < this.#tcp + TCP.HEADER) return false;
    this.#payload = payload;
    this.#bytes = length;
    return length > 0 && payload + length <= this.#start + dataLen[id];
  }

  /** Appends the packet at hand to the last that waits of its flow; false if it does not follow it. */
  #merge(id: number, hash: number): boolean {
    let at = this.#held - 1;
    // The newest of the connection alone, so that the packet passes none.
    while (at >= 0 && this.#hash[at] !== hash) at--;
    if (at < 0 || this.#merged[at] === 0 || !this.#sameFlow(at) || !this.#follows(at)) return false;
    const { dataOff, dataLen, next, stride } = this.#pool;
    dataOff[id] = this.#payload - id * stride;
    dataLen[id] = this.#bytes;
    next[this.#last[at]] = id;
    this.#last[at] = id;
    this.#merged[at]++;
    this.#length[at] += this.#bytes;
    this.#sequence[at] = (this.#sequence[at] + this.#bytes) | 0;
    return true;
  }

  #flowHash(): number {
    const { bytes } = this.#pool;
    const { SOURCE, DESTINATION } = IPV4;
    const addresses = readInt32BE(bytes, this.#ip + SOURCE) ^ readInt32BE(bytes, this.#ip + DESTINATION);
    return addresses ^ readInt32BE(bytes, this.#tcp);
  }

  #startOf(id: number): number {
    return id * this.#pool.stride + this.#pool.dataOff[id];
  }

  /** Whether the headers at hand are those of the packet that waits, but for its place in the stream. */
  #sameFlow(at: number): boolean {
    const { bytes } = this.#pool;
    const first = this.#startOf(this.#first[at]);
    const end = first + this.#headers[at];
    if (this.#payload - this.#start !== this.#headers[at]) return false;
    const shift = this.#start - first;
    const ip = this.#ip - shift;
    const tcp = this.#tcp - shift;
    const fragment = bytes[ip + IPV4.FRAGMENT] ^ bytes[this.#ip + IPV4.FRAGMENT];
    return (
      (fragment & DONT_FRAGMENT) === 0 &&
      equal(bytes, first, ip + IPV4.TOTAL_LENGTH, shift) &&
      equal(bytes, ip + IPV4.TTL, ip + IPV4.CHECKSUM, shift) &&
      equal(bytes, ip + IPV4.SOURCE, tcp + TCP.SEQUENCE, shift) &&
      equal(bytes, tcp + TCP.ACKNOWLEDGMENT, tcp + TCP.WINDOW, shift) &&
      equal(bytes, tcp + TCP.HEADER, end, shift)
    );
  }

  /** Whether the packet at hand is the next of the stream, and the packet that waits can take it. */
  #follows(at: number): boolean {
    const { bytes } = this.#pool;
    const first = this.#startOf(this.#first[at]);
    const ip = first + this.#headers[at] - (this.#payload - this.#ip);
    const id = (readUint16BE(bytes, ip + IPV4.ID) + this.#merged[at]) & 0xffff;
    // All but the last have the same length, or the segments would be others.
    const full = this.#length[at] - (this.#payload - this.#ip) === this.#merged[at] * this.#segment[at];
    return (
      full &&
      this.#bytes <= this.#segment[at] &&
      this.#merged[at] < MAX_MERGED &&
      this.#length[at] + this.#bytes <= MAX_LENGTH &&
      readInt32BE(bytes, this.#tcp + TCP.SEQUENCE) === this.#sequence[at] &&
      // RFC 6864: the identification of what is not to be fragmented means nothing.
      ((bytes[ip + IPV4.FRAGMENT] & DONT_FRAGMENT) !== 0 || readUint16BE(bytes, this.#ip + IPV4.ID) === id)
    );
  }

  /** Makes the merged packet one that is to be segmented. */
  #finish(at: number): void {
    const pool = this.#pool;
    const { bytes } = pool;
    const id = this.#first[at];
    const start = this.#startOf(id);
    const ip = networkHeader(bytes, start, start + this.#headers[at]);
    const tcp = ip + IPV4.HEADER;
    writeUint16BE(bytes, ip + IPV4.TOTAL_LENGTH, this.#length[at]);
    writeUint16BE(bytes, ip + IPV4.CHECKSUM, 0);
    writeUint16BE(bytes, ip + IPV4.CHECKSUM, internetChecksum(bytes, ip, IPV4.HEADER));
    const addresses = ~internetChecksum(bytes, ip + IPV4.SOURCE, 8) & 0xffff;
    const sum = addresses + IPV4.PROTOCOL_TCP + this.#length[at] - IPV4.HEADER;
    writeUint16BE(bytes, tcp + TCP.CHECKSUM, (sum & 0xffff) + (sum >>> 16));
    // Without padding.
    pool.dataLen[id] = this.#headers[at] + this.#segment[at];
    pool.pktLen[id] = ip - start + this.#length[at];
    pool.olFlags[id] = MBUF_F_NEEDS_CSUM | MBUF_F_TSO4;
    pool.csumStart[id] = tcp - start;
    pool.csumOffset[id] = TCP.CHECKSUM;
    pool.gsoSize[id] = this.#segment[at];
    pool.hdrLen[id] = this.#headers[at];
  }
}

/** HOT. Whether `bytes[from..to)` are the same `shift` bytes on. */
function equal(bytes: Uint8Array, from: number, to: number, shift: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== bytes[i + shift]) return false;
  return true;
}
