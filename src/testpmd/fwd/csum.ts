// SPDX-License-Identifier: BSD-3-Clause
// Sets the checksums of IPv4, and of UDP and TCP over IPv4 and IPv6, as `csum set` says: computed here, or
// left to the TX port ("hw"). Unless `csum mac-swap off`, addresses are those of mode mac. A packet whose
// checksum its sender left open passes as it is: the TX port or its peer completes it. So do fragments,
// packets of several segments and what is not whole: only their IPv4 header is set.
import { MBUF_F_NEEDS_CSUM, MBUF_NO_NEXT, type Mempool } from '../../ethdev/mempool.ts';
import { readUint16BE, writeUint16BE } from '../../packet/bytes.ts';
import { internetChecksum } from '../../packet/checksum.ts';
import { ETHER, IPV4, ipv4HeaderLength, isFragment, networkHeader, UDP } from '../../packet/headers.ts';
import { macBytes } from '../../packet/mac.ts';
import type { CsumPlan, FwdEngine } from './engine.ts';
import { streamReceive, streamTransmit } from './stream.ts';

/** RFC 8200, 3: offsets from the header. */
const IPV6 = { LENGTH: 4, NEXT_HEADER: 6, SOURCE: 8, HEADER: 40 } as const;
/** RFC 9293, 3.1. */
const TCP = { CHECKSUM: 16, HEADER: 20 } as const;

interface Csum extends CsumPlan {
  /** Destination and source; null: left alone. */
  readonly macs: Uint8Array | null;
}

export const csum: FwdEngine = {
  name: 'csum',
  streamInit(stream) {
    const { csum: plan = { udp: 'sw', tcp: 'sw', macSwap: true }, peerMac, txMac } = stream.plan;
    const macs = plan.macSwap ? Uint8Array.from([...macBytes(peerMac), ...macBytes(txMac)]) : null;
    stream.state = { ...plan, macs } satisfies Csum;
  },
  packetFwd(stream) {
    const n = streamReceive(stream);
    if (n === 0) return 0;
    const state = stream.state as Csum;
    for (let i = 0; i < n; i++) setChecksums(stream.pool, stream.pkts.ids[i], state);
    streamTransmit(stream, n);
    return n;
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
    writeUint16BE(bytes, ip + IPV4.CHECKSUM, 0);
    writeUint16BE(bytes, ip + IPV4.CHECKSUM, internetChecksum(bytes, ip, header));
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
  const udp = protocol === IPV4.PROTOCOL_UDP;
  if (!udp && protocol !== IPV4.PROTOCOL_TCP) return;
  if (length < (udp ? UDP.HEADER : TCP.HEADER)) return;
  const offset = udp ? UDP.CHECKSUM : TCP.CHECKSUM;
  // RFC 768: the sender chose to have none.
  if (udp && readUint16BE(bytes, l4 + offset) === 0) return;
  const pseudo = fold((~internetChecksum(bytes, from, addresses) & 0xffff) + protocol + length);
  if ((udp ? state.udp : state.tcp) === 'hw') {
    const frame = mbuf * pool.stride + pool.dataOff[mbuf];
    // A checksum by offload covers all bytes to the end of the frame, so padding has to go.
    pool.dataLen[mbuf] = l4 + length - frame;
    pool.pktLen[mbuf] = l4 + length - frame;
    pool.olFlags[mbuf] |= MBUF_F_NEEDS_CSUM;
    pool.csumStart[mbuf] = l4 - frame;
    pool.csumOffset[mbuf] = offset;
    writeUint16BE(bytes, l4 + offset, pseudo);
    return;
  }
  writeUint16BE(bytes, l4 + offset, 0);
  const sum = ~fold(pseudo + (~internetChecksum(bytes, l4, length) & 0xffff)) & 0xffff;
  writeUint16BE(bytes, l4 + offset, udp && sum === 0 ? 0xffff : sum);
}

function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}
