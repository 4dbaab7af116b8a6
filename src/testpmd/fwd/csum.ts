// SPDX-License-Identifier: BSD-3-Clause
// Sets the checksums of IPv4, and of UDP and TCP over IPv4 and IPv6, as `csum set` says: computed here, or
// left to the TX port ("hw"). With `csum parse-tunnel on`, those inside a tunnel and around it, all of them
// here. Unless `csum mac-swap off`, addresses are those of mode mac. A packet whose checksum its sender left
// open passes as it is: the TX port or its peer completes it. So do fragments and what is not whole: only
// their IPv4 header is set. The checksum of SCTP is set too. Checksums that were wrong are counted where the
// RX port is to check them (rx_offload ipv4_cksum, ...).
//
// TCP packets with more payload than `tso set` says are sent with that segment size: the TX port segments
// them, or its peer does. With `set port N gro on`, packets are merged first (gro.ts); with `set port N gso
// on`, what is too long is cut here last (gso.ts).
import {
  MBUF_F_CSUM_VALID,
  MBUF_F_NEEDS_CSUM,
  MBUF_F_TSO4,
  MBUF_F_TSO6,
  MBUF_NO_NEXT,
  type Mempool,
} from '../../ethdev/mempool.ts';
import { chainSum } from '../../offload/chain.ts';
import { readUint16BE, writeUint16BE } from '../../packet/bytes.ts';
import { crc32c } from '../../packet/crc32c.ts';
import { IPV4, isFragment, SCTP, TCP, UDP } from '../../packet/headers.ts';
import { Layers, TUNNEL } from '../../packet/layers.ts';
import { macWords } from '../../packet/mac.ts';
import {
  CHECKS_IP,
  CHECKS_TCP,
  CHECKS_UDP,
  type CsumPlan,
  type FwdEngine,
  type FwdStream,
  STREAM_BAD_IP,
  STREAM_BAD_L4,
  STREAM_BAD_OUTER_IP,
  STREAM_BAD_OUTER_L4,
} from './engine.ts';
import { Gro } from './gro.ts';
import { Gso } from './gso.ts';
import { setMacs } from './mac.ts';
import { streamReceive, streamTransmit } from './stream.ts';
import { differs, fold, pseudoSum, setHeaderChecksum } from './sums.ts';

interface Csum {
  readonly udp: 'sw' | 'hw';
  readonly tcp: 'sw' | 'hw';
  readonly tso: number;
  /** Destination and source; null: left alone. */
  readonly macs: Uint32Array | null;
  readonly gro: Gro | null;
  readonly gso: Gso | null;
  /** Packets that are longer are cut here, so that nothing of them can be left to the TX port. */
  readonly longest: number;
  readonly counters: Float64Array;
  /** CHECKS_* bits. */
  readonly checks: number;
  readonly tunnels: boolean;
  readonly layers: Layers;
}

const DEFAULT_PLAN: CsumPlan = { udp: 'sw', tcp: 'sw', macSwap: true };

export const csum: FwdEngine = {
  name: 'csum',
  tags: true,
  streamInit(stream) {
    stream.state = stateOf(stream);
  },
  packetFwd(stream) {
    const n = streamReceive(stream);
    const state = stream.state as Csum;
    if (n === 0 && (state.gro === null || !state.gro.busy)) return 0;
    for (let i = 0; i < n; i++) setChecksums(stream.pool, stream.pkts.ids[i], state);
    if (state.gro !== null) state.gro.burst(stream, n);
    else if (state.gso !== null) state.gso.transmit(stream, n);
    else streamTransmit(stream, n);
    // An lcore must not sleep while packets wait.
    return state.gro?.busy ? Math.max(1, n) : n;
  },
  end(stream) {
    (stream.state as Csum).gro?.end(stream);
  },
};

function stateOf(stream: FwdStream): Csum {
  const { csum: plan = DEFAULT_PLAN, peerMac, txMac, gro: cycles = 0, checks = 0 } = stream.plan;
  const { burst } = stream.run;
  const { pool, counters } = stream;
  const { udp, tcp, tso = 0, gso: longest = 0, tunnels = false } = plan;
  const gso = longest > 0 ? new Gso(pool, longest, tunnels, stream.pkts.capacity) : null;
  return {
    ...{ udp, tcp, tso, gso, counters, tunnels, checks },
    longest: longest > 0 ? longest : Number.POSITIVE_INFINITY,
    macs: plan.macSwap ? macWords(peerMac, txMac) : null,
    gro: cycles > 0 ? new Gro(pool, cycles, burst, gso) : null,
    layers: new Layers(),
  };
}

/** HOT. */
function setChecksums(pool: Mempool, mbuf: number, state: Csum): void {
  const { bytes } = pool;
  const { layers, counters } = state;
  const frame = mbuf * pool.stride + pool.dataOff[mbuf];
  const end = frame + pool.dataLen[mbuf];
  if (state.macs !== null) setMacs(pool, mbuf, state.macs);
  if (!layers.parse(bytes, frame, end, state.tunnels)) return;
  const open = (pool.olFlags[mbuf] & MBUF_F_NEEDS_CSUM) !== 0;
  const checked = (state.checks & CHECKS_IP) !== 0;
  if (layers.version === 4 && setHeaderChecksum(bytes, layers.ip, layers.l4) && checked)
    counters[STREAM_BAD_IP]++;
  if (!open) setTransport(pool, mbuf, state, frame, end);
  if (layers.tunnel === TUNNEL.NONE) return;
  if (layers.outerVersion === 4 && setHeaderChecksum(bytes, layers.outerIp, layers.outerL4) && checked)
    counters[STREAM_BAD_OUTER_IP]++;
  if (!open && layers.outerProtocol === IPV4.PROTOCOL_UDP) setOuterUdp(pool, mbuf, state, frame);
}

/** HOT. The innermost transport header. */
function setTransport(pool: Mempool, mbuf: number, state: Csum, frame: number, end: number): void {
  const { bytes } = pool;
  const { ip, version, l4, protocol, tunnel } = state.layers;
  const udp = protocol === IPV4.PROTOCOL_UDP;
  if (version === 4 && isFragment(bytes, ip)) return;
  const length = state.layers.length(bytes);
  if (protocol === IPV4.PROTOCOL_SCTP && l4 + length <= end) setSctp(bytes, l4, length);
  if (!udp && protocol !== IPV4.PROTOCOL_TCP) return;
  const header = udp ? UDP.HEADER : TCP.HEADER;
  const behind = l4 - frame + length;
  if (length < header || l4 + header > end || behind > pool.pktLen[mbuf]) return;
  const field = l4 + (udp ? UDP.CHECKSUM : TCP.CHECKSUM);
  const was = readUint16BE(bytes, field);
  // RFC 768: the sender chose to have none.
  if (udp && was === 0) return;
  const checked = (state.checks & (udp ? CHECKS_UDP : CHECKS_TCP)) !== 0;
  const pseudo = pseudoSum(bytes, ip, version, protocol, length);
  // A checksum by offload covers all bytes to the end of the frame, so padding has to go.
  const single = pool.next[mbuf] === MBUF_NO_NEXT;
  const can = tunnel === TUNNEL.NONE && (single || behind === pool.pktLen[mbuf]);
  const headers = udp ? header : (bytes[l4 + TCP.DATA_OFFSET] >>> 4) * 4;
  const cut = can && !udp && state.tso > 0 && length - headers > state.tso;
  if (cut || (can && pool.pktLen[mbuf] <= state.longest && (udp ? state.udp : state.tcp) === 'hw')) {
    if (checked && isWrong(pool, mbuf, l4 - frame, length, pseudo)) state.counters[STREAM_BAD_L4]++;
    leaveToPort(pool, mbuf, l4 - frame, length, field, pseudo);
    if (cut) leaveToCut(pool, mbuf, version, state.tso, l4 - frame + headers);
    return;
  }
  if (finish(pool, mbuf, frame, field, l4, length, pseudo, udp) && checked) state.counters[STREAM_BAD_L4]++;
}

/** HOT. Whether the checksum of `length` bytes from `start` on is wrong: their sum is not 0 (RFC 1071). */
function isWrong(pool: Mempool, mbuf: number, start: number, length: number, pseudo: number): boolean {
  if ((pool.olFlags[mbuf] & MBUF_F_CSUM_VALID) !== 0) return false;
  return fold(pseudo + chainSum(pool, mbuf, start, length)) !== 0xffff;
}

/** HOT. The TX port completes the checksum of `length` bytes from `start` on. */
function leaveToPort(
  pool: Mempool,
  mbuf: number,
  start: number,
  length: number,
  field: number,
  pseudo: number,
): void {
  if (pool.next[mbuf] === MBUF_NO_NEXT) {
    pool.dataLen[mbuf] = start + length;
    pool.pktLen[mbuf] = start + length;
  }
  pool.olFlags[mbuf] |= MBUF_F_NEEDS_CSUM;
  pool.csumStart[mbuf] = start;
  pool.csumOffset[mbuf] = field - mbuf * pool.stride - pool.dataOff[mbuf] - start;
  writeUint16BE(pool.bytes, field, pseudo);
}

/** HOT. The TX port, or its peer, cuts the packet. */
function leaveToCut(pool: Mempool, mbuf: number, version: number, size: number, headers: number): void {
  pool.olFlags[mbuf] |= version === 4 ? MBUF_F_TSO4 : MBUF_F_TSO6;
  pool.gsoSize[mbuf] = size;
  pool.hdrLen[mbuf] = headers;
}

/** HOT. RFC 9260, 6.8: least significant byte first, as CRC32c is reflected. */
function setSctp(bytes: Uint8Array, l4: number, length: number): void {
  if (length < SCTP.HEADER) return;
  const at = l4 + SCTP.CHECKSUM;
  for (let i = 0; i < 4; i++) bytes[at + i] = 0;
  const crc = crc32c(bytes, l4, length);
  for (let i = 0; i < 4; i++) bytes[at + i] = (crc >>> (8 * i)) & 0xff;
}

/** HOT. That of the tunnel, which covers what is inside. */
function setOuterUdp(pool: Mempool, mbuf: number, state: Csum, frame: number): void {
  const { bytes } = pool;
  const { outerIp, outerL4, outerVersion } = state.layers;
  const field = outerL4 + UDP.CHECKSUM;
  const length = readUint16BE(bytes, outerL4 + UDP.LENGTH);
  if (readUint16BE(bytes, field) === 0 || outerL4 - frame + length > pool.pktLen[mbuf]) return;
  const pseudo = pseudoSum(bytes, outerIp, outerVersion, IPV4.PROTOCOL_UDP, length);
  if (finish(pool, mbuf, frame, field, outerL4, length, pseudo, true) && (state.checks & CHECKS_UDP) !== 0)
    state.counters[STREAM_BAD_OUTER_L4]++;
}

/** HOT. Computes a checksum and stores it at `field`; true if it was wrong. */
function finish(
  pool: Mempool,
  mbuf: number,
  frame: number,
  field: number,
  l4: number,
  length: number,
  pseudo: number,
  udp: boolean,
): boolean {
  const { bytes } = pool;
  const was = readUint16BE(bytes, field);
  writeUint16BE(bytes, field, 0);
  const sum = ~fold(pseudo + chainSum(pool, mbuf, l4 - frame, length)) & 0xffff;
  writeUint16BE(bytes, field, udp && sum === 0 ? 0xffff : sum);
  return differs(was, sum);
}
