// SPDX-License-Identifier: BSD-3-Clause
// Segmentation in software, as librte_gso does it in mode csum: of packets that are longer than `set gso
// segsz`, TCP is cut into segments, a UDP datagram over IPv4 into fragments of IP. Either also inside VXLAN
// over IPv4, TCP over IPv4 also inside GRE. All checksums are computed here. Other packets pass as they are,
// as do datagrams that are to be segmented by UDP (MBUF_F_USO).
import {
  MBUF_F_NEEDS_CSUM,
  MBUF_F_TSO4,
  MBUF_F_TSO6,
  MBUF_F_USO,
  MBUF_NO_NEXT,
  type MbufVector,
  type Mempool,
} from '../../ethdev/mempool.ts';
import { ChainReader, chainSum } from '../../offload/chain.ts';
import { copyBytes, readInt32BE, readUint16BE, writeInt32BE, writeUint16BE } from '../../packet/bytes.ts';
import { IPV4, IPV6, isFragment, TCP, UDP } from '../../packet/headers.ts';
import { Layers, TUNNEL } from '../../packet/layers.ts';
import { type FwdStream, STREAM_DROPPED } from './engine.ts';
import { streamTransmit } from './stream.ts';
import { fold, pseudoSum, setHeaderChecksum } from './sums.ts';

const FIN_PSH = 0x09;
/** RFC 3168, 6.1.2: the window was reduced only once. */
const CWR = 0x80;
const MORE_FRAGMENTS = 0x2000;
const TSO = MBUF_F_TSO4 | MBUF_F_TSO6;

export class Gso {
  readonly #pool: Mempool;
  readonly #longest: number;
  readonly #tunnels: boolean;
  /** The packets of a burst, while `stream.pkts` has what is sent for them. */
  readonly #burst: Uint32Array;
  readonly #one: MbufVector;
  readonly #layers = new Layers();
  readonly #reader: ChainReader;
  #waiting = 0;
  // Of the packet at hand: bytes of the headers that are repeated and of what follows, and bytes a piece.
  #headers = 0;
  #payload = 0;
  #unit = 0;

  /** `longest`: bytes of a packet. */
  constructor(pool: Mempool, longest: number, tunnels: boolean, burst: number) {
    this.#pool = pool;
    this.#longest = longest;
    this.#tunnels = tunnels;
    this.#burst = new Uint32Array(burst);
    this.#one = pool.vector(1);
    this.#reader = new ChainReader(pool);
  }

  /** HOT. Sends `stream.pkts[0..n)`, cut where it has to be. */
  transmit(stream: FwdStream, n: number): void {
    const { ids } = stream.pkts;
    for (let i = 0; i < n; i++) this.#burst[i] = ids[i];
    this.#waiting = 0;
    for (let i = 0; i < n; i++) {
      const id = this.#burst[i];
      if (this.#pool.pktLen[id] > this.#longest && this.#measure(id)) this.#cut(stream, id);
      else this.#send(stream, id);
    }
    if (this.#waiting > 0) streamTransmit(stream, this.#waiting);
    this.#waiting = 0;
  }

  #send(stream: FwdStream, id: number): void {
    stream.pkts.ids[this.#waiting++] = id;
    if (this.#waiting < stream.pkts.capacity) return;
    streamTransmit(stream, this.#waiting);
    this.#waiting = 0;
  }

  /** Whether the packet is of a kind that is cut, and how. */
  #measure(id: number): boolean {
    const { bytes, stride, dataOff, dataLen, olFlags, gsoSize, pktLen } = this.#pool;
    const frame = id * stride + dataOff[id];
    const layers = this.#layers;
    if ((olFlags[id] & MBUF_F_USO) !== 0) return false;
    if (!layers.parse(bytes, frame, frame + dataLen[id], this.#tunnels)) return false;
    const { tunnel, version, protocol, ip, l4 } = layers;
    const tcp = protocol === IPV4.PROTOCOL_TCP;
    if (!tcp && protocol !== IPV4.PROTOCOL_UDP) return false;
    if (version === 4 ? isFragment(bytes, ip) : !tcp || tunnel !== TUNNEL.NONE) return false;
    if (tunnel !== TUNNEL.NONE) {
      const cuts = tunnel === TUNNEL.VXLAN || (tunnel === TUNNEL.GRE && tcp);
      if (!cuts || layers.outerVersion !== 4) return false;
    }
    const length = layers.length(bytes);
    const header = tcp ? (bytes[l4 + TCP.DATA_OFFSET] >>> 4) * 4 : UDP.HEADER;
    if (header < (tcp ? TCP.HEADER : UDP.HEADER) || l4 + header > frame + dataLen[id]) return false;
    if (length <= header || l4 - frame + length > pktLen[id]) return false;
    this.#headers = l4 - frame + (tcp ? header : 0);
    this.#payload = length - (tcp ? header : 0);
    const room = this.#longest - this.#headers;
    // Offsets of fragments count in 8 bytes.
    this.#unit = tcp ? room : room & ~7;
    if ((olFlags[id] & TSO) !== 0) this.#unit = Math.min(this.#unit, gsoSize[id]);
    return this.#unit > 0 && this.#payload > this.#unit;
  }

  #cut(stream: FwdStream, id: number): void {
    const { olFlags } = this.#pool;
    const tcp = this.#layers.protocol === IPV4.PROTOCOL_TCP;
    if (!tcp && (olFlags[id] & MBUF_F_NEEDS_CSUM) !== 0) this.#finish(id);
    this.#reader.start(id, this.#headers);
    for (let done = 0; done < this.#payload; done += this.#unit) {
      const piece = this.#piece(id, Math.min(this.#unit, this.#payload - done));
      if (piece === MBUF_NO_NEXT) {
        streamDropOne(stream, this.#one, id);
        return;
      }
      this.#setHeaders(id, piece, done, tcp);
      this.#send(stream, piece);
    }
    this.#one.ids[0] = id;
    this.#pool.free(this.#one, 0, 1);
  }

  /** Completes the checksum of a datagram, which covers all of its fragments. */
  #finish(id: number): void {
    const { bytes, stride, dataOff, csumStart, csumOffset, olFlags, pktLen } = this.#pool;
    const start = csumStart[id];
    const field = id * stride + dataOff[id] + start + csumOffset[id];
    const sum = ~chainSum(this.#pool, id, start, pktLen[id] - start) & 0xffff;
    writeUint16BE(bytes, field, sum === 0 ? 0xffff : sum);
    olFlags[id] &= ~MBUF_F_NEEDS_CSUM;
  }

  /** A packet with the headers of `id` and the next `length` bytes; MBUF_NO_NEXT if there is no memory. */
  #piece(id: number, length: number): number {
    const pool = this.#pool;
    const { bytes, stride, dataOff, dataLen, pktLen, next, dataRoom } = pool;
    let first = MBUF_NO_NEXT;
    let last = MBUF_NO_NEXT;
    for (let left = this.#headers + length; left > 0; ) {
      const part = Math.min(left, dataRoom);
      if (pool.alloc(this.#one, 1, part) === 0) {
        this.#one.ids[0] = first;
        if (first !== MBUF_NO_NEXT) pool.free(this.#one, 0, 1);
        return MBUF_NO_NEXT;
      }
      const mbuf = this.#one.ids[0];
      const at = mbuf * stride + dataOff[mbuf];
      if (first === MBUF_NO_NEXT) {
        first = mbuf;
        pktLen[first] = left;
        copyBytes(bytes, at, id * stride + dataOff[id], this.#headers);
        this.#reader.copy(at + this.#headers, part - this.#headers);
      } else {
        next[last] = mbuf;
        this.#reader.copy(at, dataLen[mbuf]);
      }
      last = mbuf;
      left -= part;
    }
    return first;
  }

  /** Makes the copied headers those of the piece that follows `done` bytes. */
  #setHeaders(id: number, piece: number, done: number, tcp: boolean): void {
    const { bytes, stride, dataOff, pktLen } = this.#pool;
    const { ip, version, l4, tunnel, outerIp, outerL4, outerProtocol } = this.#layers;
    const to = piece * stride + dataOff[piece];
    const shift = to - (id * stride + dataOff[id]);
    const end = to + pktLen[piece];
    const index = done / this.#unit;
    const last = pktLen[piece] - this.#headers === this.#payload - done;
    if (version === 4) {
      if (!tcp) writeUint16BE(bytes, ip + shift + IPV4.FRAGMENT, (done >>> 3) | (last ? 0 : MORE_FRAGMENTS));
      setIpv4(bytes, ip + shift, l4 + shift, end, tcp ? index : 0);
    } else writeUint16BE(bytes, ip + shift + IPV6.PAYLOAD_LENGTH, end - l4 - shift);
    if (tcp) this.#setTcp(piece, ip + shift, l4 + shift, done, last);
    if (tunnel === TUNNEL.NONE) return;
    setIpv4(bytes, outerIp + shift, outerL4 + shift, end, index);
    if (outerProtocol === IPV4.PROTOCOL_UDP) this.#setOuterUdp(piece, outerIp + shift, outerL4 + shift, end);
  }

  #setTcp(piece: number, ip: number, l4: number, done: number, last: boolean): void {
    const { bytes } = this.#pool;
    writeInt32BE(bytes, l4 + TCP.SEQUENCE, (readInt32BE(bytes, l4 + TCP.SEQUENCE) + done) | 0);
    if (!last) bytes[l4 + TCP.FLAGS] &= ~FIN_PSH;
    if (done > 0) bytes[l4 + TCP.FLAGS] &= ~CWR;
    this.#setSum(piece, l4 + TCP.CHECKSUM, ip, this.#layers.version, l4, IPV4.PROTOCOL_TCP);
  }

  #setOuterUdp(piece: number, ip: number, l4: number, end: number): void {
    const { bytes } = this.#pool;
    writeUint16BE(bytes, l4 + UDP.LENGTH, end - l4);
    if (readUint16BE(bytes, l4 + UDP.CHECKSUM) !== 0)
      this.#setSum(piece, l4 + UDP.CHECKSUM, ip, 4, l4, IPV4.PROTOCOL_UDP);
  }

  /** A checksum over all from `l4` on. */
  #setSum(piece: number, field: number, ip: number, version: number, l4: number, protocol: number): void {
    const { bytes, stride, dataOff, pktLen } = this.#pool;
    const offset = l4 - piece * stride - dataOff[piece];
    const length = pktLen[piece] - offset;
    writeUint16BE(bytes, field, 0);
    const all = pseudoSum(bytes, ip, version, protocol, length) + chainSum(this.#pool, piece, offset, length);
    const sum = ~fold(all) & 0xffff;
    writeUint16BE(bytes, field, sum === 0 && protocol === IPV4.PROTOCOL_UDP ? 0xffff : sum);
  }
}

/** HOT. The header in `bytes[ip..l4)` of a packet that ends at `end`, `index` identifications on. */
function setIpv4(bytes: Uint8Array, ip: number, l4: number, end: number, index: number): void {
  writeUint16BE(bytes, ip + IPV4.TOTAL_LENGTH, end - ip);
  writeUint16BE(bytes, ip + IPV4.ID, readUint16BE(bytes, ip + IPV4.ID) + index);
  setHeaderChecksum(bytes, ip, l4);
}

function streamDropOne(stream: FwdStream, one: MbufVector, id: number): void {
  one.ids[0] = id;
  stream.pool.free(one, 0, 1);
  stream.counters[STREAM_DROPPED]++;
}
