// SPDX-License-Identifier: BSD-3-Clause
// Sets the checksums of IPv4, and of UDP and TCP over IPv4 and IPv6, as `csum set` says: computed here, or
// left to the TX port ("hw"). Unless `csum mac-swap off`, addresses are those of mode mac. A packet whose
// checksum its sender left open passes as it is: the TX port or its peer completes it. So do fragments,
// packets of several segments and what is not whole: only their IPv4 header is set. The checksum of SCTP is
// set too. Checksums that were wrong are counted where the RX port is to check them (rx_offload ipv4_cksum,
// ...).
//
// TCP packets that are longer than `tso set` or `set gso` says are sent with that segment size: the TX port
// segments them, or its peer does. With `set port N gro on`, packets are merged first (gro.ts).
import {
  MBUF_F_CSUM_VALID,
  MBUF_F_NEEDS_CSUM,
  MBUF_F_TSO4,
  MBUF_F_TSO6,
  MBUF_NO_NEXT,
  type Mempool,
} from '../../ethdev/mempool.ts';
import { readUint16BE, writeUint16BE } from '../../packet/bytes.ts';
import { internetChecksum } from '../../packet/checksum.ts';
import { crc32c } from '../../packet/crc32c.ts';
import {
  ETHER,
  IPV4,
  ipv4HeaderLength,
  isFragment,
  networkHeader,
  SCTP,
  TCP,
  UDP,
} from '../../packet/headers.ts';
import { macBytes } from '../../packet/mac.ts';
import {
  CHECKS_IP,
  CHECKS_TCP,
  CHECKS_UDP,
  type CsumPlan,
  type FwdEngine,
  STREAM_BAD_IP,
  STREAM_BAD_L4,
} from './engine.ts';
import { Gro } from './gro.ts';
import { streamReceive, streamTransmit } from './stream.ts';

/** RFC 8200, 3: offsets from the header. */
const IPV6 = { LENGTH: 4, NEXT_HEADER: 6, SOURCE: 8, HEADER: 40 } as const;

interface Csum extends CsumPlan {
  /** Destination and source; null: left alone. */
  readonly macs: Uint8Array | null;
  readonly gro: Gro | null;
  readonly counters: Float64Array;
  /** CHECKS_* bits. */
  readonly checks: number;
}

export const csum: FwdEngine = {
  name: 'csum',
  tags: true,
  streamInit(stream) {
    const { csum: plan = { udp: 'sw', tcp: 'sw', macSwap: true }, peerMac, txMac } = stream.plan;
    const macs = plan.macSwap ? Uint8Array.from([...macBytes(peerMac), ...macBytes(txMac)]) : null;
    const { burst } = stream.run;
    const cycles = stream.plan.gro ?? 0;
    const gro = cycles > 0 ? new Gro(stream.pool, cycles, burst) : null;
    const { counters } = stream;
    stream.state = { ...plan, macs, gro, counters, checks: stream.plan.checks ?? 0 } satisfies Csum;
  },
  packetFwd(stream) {
    const n = streamReceive(stream);
    const state = stream.state as Csum;
    if (n === 0 && (state.gro === null || !state.gro.busy)) return 0;
    for (let i = 0; i < n; i++) setChecksums(stream.pool, stream.pkts.ids[i], state);
    if (state.gro === null) streamTransmit(stream, n);
    else state.gro.burst(stream, n);
    // An lcore must not sleep while packets wait.
    return state.gro?.busy ? Math.max(1, n) : n;
  },
  end(stream) {
    (stream.state as Csum).gro?.end(stream);
  },
};

/** HOT. */
function setChecksums(pool: Mempool, mbuf: number, state: Csum): void {
  const { bytes } = pool;
  const frame = mbuf * pool.stride + pool.dataOff[mbuf];
  const end = frame + pool.dataLen[mbuf];
  if (state.macs !== null) for (let i = 0; i < 12; i++) bytes[frame + i] = state.macs[i];
  const ip = networkHeader(bytes, frame, end);
  if (ip < 0) return;
  const whole = pool.next[mbuf] === MBUF_NO_NEXT && (pool.olFlags[mbuf] & MBUF_F_NEEDS_CSUM) === 0;
  const type = readUint16BE(bytes, ip - 2);
  if (type === ETHER.TYPE_IPV4) {
    const header = ipv4HeaderLength(bytes, ip, end);
    if (header === 0) return;
    const was = readUint16BE(bytes, ip + IPV4.CHECKSUM);
    writeUint16BE(bytes, ip + IPV4.CHECKSUM, 0);
    const is = internetChecksum(bytes, ip, header);
    writeUint16BE(bytes, ip + IPV4.CHECKSUM, is);
    if ((state.checks & CHECKS_IP) !== 0 && differs(was, is)) state.counters[STREAM_BAD_IP]++;
    const length = readUint16BE(bytes, ip + IPV4.TOTAL_LENGTH) - header;
    if (whole && !isFragment(bytes, ip) && ip + header + length <= end)
      setTransport(pool, mbuf, state, ip + header, length, bytes[ip + IPV4.PROTOCOL], ip + IPV4.SOURCE, 8);
  } else if (type === ETHER.TYPE_IPV6 && whole && ip + IPV6.HEADER <= end) {
    const length = readUint16BE(bytes, ip + IPV6.LENGTH);
    if (ip + IPV6.HEADER + length <= end)
      setTransport(
        pool,
        mbuf,
        state,
        ip + IPV6.HEADER,
        length,
        bytes[ip + IPV6.NEXT_HEADER],
        ip + IPV6.SOURCE,
        32,
      );
  }
}

/** HOT. `addresses` bytes at `from` are those of the pseudo-header. */
function setTransport(
  pool: Mempool,
  mbuf: number,
  state: Csum,
  l4: number,
  length: number,
  protocol: number,
  from: number,
  addresses: number,
): void {
  const { bytes } = pool;
  if (protocol === IPV4.PROTOCOL_SCTP) setSctp(bytes, l4, length);
  const udp = protocol === IPV4.PROTOCOL_UDP;
  if (!udp && protocol !== IPV4.PROTOCOL_TCP) return;
  if (length < (udp ? UDP.HEADER : TCP.HEADER)) return;
  const offset = udp ? UDP.CHECKSUM : TCP.CHECKSUM;
  // RFC 768: the sender chose to have none.
  if (udp && readUint16BE(bytes, l4 + offset) === 0) return;
  const checked = (state.checks & (udp ? CHECKS_UDP : CHECKS_TCP)) !== 0;
  const was = readUint16BE(bytes, l4 + offset);
  const pseudo = fold((~internetChecksum(bytes, from, addresses) & 0xffff) + protocol + length);
  const mss = udp ? 0 : segmentSize(pool, mbuf, state, l4);
  const cut = mss > 0 && length - (bytes[l4 + TCP.DATA_OFFSET] >>> 4) * 4 > mss;
  if (cut || (udp ? state.udp : state.tcp) === 'hw') {
    if (checked && (pool.olFlags[mbuf] & MBUF_F_CSUM_VALID) === 0) {
      // The sum over a packet with its checksum is 0 (RFC 1071).
      const all = fold(pseudo + (~internetChecksum(bytes, l4, length) & 0xffff));
      if (all !== 0xffff) state.counters[STREAM_BAD_L4]++;
    }
    const frame = mbuf * pool.stride + pool.dataOff[mbuf];
    // A checksum by offload covers all bytes to the end of the frame, so padding has to go.
    pool.dataLen[mbuf] = l4 + length - frame;
    pool.pktLen[mbuf] = l4 + length - frame;
    pool.olFlags[mbuf] |= MBUF_F_NEEDS_CSUM;
    pool.csumStart[mbuf] = l4 - frame;
    pool.csumOffset[mbuf] = offset;
    writeUint16BE(bytes, l4 + offset, pseudo);
    if (!cut) return;
    pool.olFlags[mbuf] |= addresses === 8 ? MBUF_F_TSO4 : MBUF_F_TSO6;
    pool.gsoSize[mbuf] = mss;
    pool.hdrLen[mbuf] = l4 - frame + (bytes[l4 + TCP.DATA_OFFSET] >>> 4) * 4;
    return;
  }
  writeUint16BE(bytes, l4 + offset, 0);
  const sum = ~fold(pseudo + (~internetChecksum(bytes, l4, length) & 0xffff)) & 0xffff;
  writeUint16BE(bytes, l4 + offset, udp && sum === 0 ? 0xffff : sum);
  if (checked && differs(was, sum)) state.counters[STREAM_BAD_L4]++;
}

/** HOT. RFC 9260, 6.8: least significant byte first, as CRC32c is reflected. */
function setSctp(bytes: Uint8Array, l4: number, length: number): void {
  if (length < SCTP.HEADER) return;
  const at = l4 + SCTP.CHECKSUM;
  for (let i = 0; i < 4; i++) bytes[at + i] = 0;
  const crc = crc32c(bytes, l4, length);
  for (let i = 0; i < 4; i++) bytes[at + i] = (crc >>> (8 * i)) & 0xff;
}

/** Payload of the segments that TCP packets are cut into; 0: they are not. */
function segmentSize(pool: Mempool, mbuf: number, { tso = 0, gso = 0 }: Csum, l4: number): number {
  if (gso === 0) return tso;
  const frame = mbuf * pool.stride + pool.dataOff[mbuf];
  const headers = l4 - frame + (pool.bytes[l4 + TCP.DATA_OFFSET] >>> 4) * 4;
  const size = Math.max(1, gso - headers);
  return tso > 0 ? Math.min(tso, size) : size;
}

/** Whether two checksums are not the same number of ones' complement. */
const differs = (a: number, b: number): boolean => a % 0xffff !== b % 0xffff;

function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}
