// SPDX-License-Identifier: BSD-3-Clause
// A packet of mbufs in one piece, as it leaves for a file or an interface.
import { MBUF_F_NEEDS_CSUM, MBUF_NO_NEXT, type Mempool } from '../../ethdev/mempool.ts';
import { internetChecksum } from '../../packet/checksum.ts';

/** The first `length` bytes of a packet to `start`, its checksum completed. */
export function copyPacket(
  bytes: Uint8Array,
  start: number,
  length: number,
  pool: Mempool,
  first: number,
): void {
  const end = start + length;
  let at = start;
  for (let mbuf = first; mbuf < pool.count && at < end; mbuf = pool.next[mbuf]) {
    const from = mbuf * pool.stride + pool.dataOff[mbuf];
    const part = Math.min(pool.dataLen[mbuf], end - at);
    bytes.set(pool.bytes.subarray(from, from + part), at);
    at += part;
    if (pool.next[mbuf] === MBUF_NO_NEXT) break;
  }
  // What the application has left unwritten must not be another packet's bytes.
  bytes.fill(0, at, end);
  if ((pool.olFlags[first] & MBUF_F_NEEDS_CSUM) !== 0) complete(bytes, pool, first, start, end);
}

/** The checksum that its sender left open: a file has nobody behind it who completes it. */
function complete(bytes: Uint8Array, pool: Mempool, mbuf: number, start: number, end: number): void {
  const from = start + pool.csumStart[mbuf];
  const at = from + pool.csumOffset[mbuf];
  if (at + 2 > end) return;
  // The field holds the pseudo-header's sum. 0 in a UDP header means none (RFC 768).
  const sum = internetChecksum(bytes, from, end - from) || 0xffff;
  bytes[at] = sum >>> 8;
  bytes[at + 1] = sum;
}
