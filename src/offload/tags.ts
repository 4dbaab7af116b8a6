// SPDX-License-Identifier: BSD-3-Clause
// IEEE 802.1Q and 802.1ad tags of packets in mbufs. A packet may be in several mbufs, with few bytes in the
// first, as `set txpkts 1,63` makes them; so bytes are addressed by their offset in the packet.
import { MBUF_NO_NEXT, type Mempool } from '../ethdev/mempool.ts';
import { readUint16BE } from '../packet/bytes.ts';
import { ETHER } from '../packet/headers.ts';

const ADDRESSES = ETHER.TYPE;
const TAG = ETHER.VLAN_TAG;

/** HOT. Where byte `offset` of the packet that starts in `mbuf` is in `pool.bytes`; -1 past its end. */
export function byteIndex(pool: Mempool, mbuf: number, offset: number): number {
  let id = mbuf;
  let left = offset;
  while (left >= pool.dataLen[id]) {
    left -= pool.dataLen[id];
    id = pool.next[id];
    if (id === MBUF_NO_NEXT || id >= pool.count) return -1;
  }
  return id * pool.stride + pool.dataOff[id] + left;
}

/** HOT. The big-endian field of two bytes at `offset` of the packet; -1 past its end. */
export function fieldAt(pool: Mempool, mbuf: number, offset: number): number {
  const high = byteIndex(pool, mbuf, offset);
  const low = byteIndex(pool, mbuf, offset + 1);
  return high < 0 || low < 0 ? -1 : (pool.bytes[high] << 8) | pool.bytes[low];
}

/**
 * HOT. Adds a tag after the addresses. Needs the four bytes of headroom that every mbuf of a pool with
 * headroom has, and a packet of 12 bytes or more.
 */
export function insertTag(pool: Mempool, mbuf: number, tpid: number, tci: number): void {
  pool.dataOff[mbuf] -= TAG;
  pool.dataLen[mbuf] += TAG;
  for (let i = 0; i < ADDRESSES; i++)
    pool.bytes[byteIndex(pool, mbuf, i)] = pool.bytes[byteIndex(pool, mbuf, i + TAG)];
  pool.bytes[byteIndex(pool, mbuf, ADDRESSES)] = tpid >>> 8;
  pool.bytes[byteIndex(pool, mbuf, ADDRESSES + 1)] = tpid;
  pool.bytes[byteIndex(pool, mbuf, ADDRESSES + 2)] = tci >>> 8;
  pool.bytes[byteIndex(pool, mbuf, ADDRESSES + 3)] = tci;
  lengthened(pool, mbuf, TAG);
}

/** HOT. Removes the four bytes at `offset`; they and those before are in the first mbuf. */
export function removeTag(pool: Mempool, mbuf: number, offset: number): void {
  const start = mbuf * pool.stride + pool.dataOff[mbuf];
  for (let i = offset - 1; i >= 0; i--) pool.bytes[start + i + TAG] = pool.bytes[start + i];
  pool.dataOff[mbuf] += TAG;
  pool.dataLen[mbuf] -= TAG;
  lengthened(pool, mbuf, -TAG);
}

/** HOT. Undoes insertTag, wherever the packet's first bytes are. */
export function withdrawTag(pool: Mempool, mbuf: number): void {
  for (let i = ADDRESSES - 1; i >= 0; i--)
    pool.bytes[byteIndex(pool, mbuf, i + TAG)] = pool.bytes[byteIndex(pool, mbuf, i)];
  pool.dataOff[mbuf] += TAG;
  pool.dataLen[mbuf] -= TAG;
  lengthened(pool, mbuf, -TAG);
}

/** Offsets of offloads count from the packet's first byte, and so move with its headers. */
function lengthened(pool: Mempool, mbuf: number, by: number): void {
  pool.pktLen[mbuf] += by;
  if (pool.olFlags[mbuf] === 0) return;
  pool.csumStart[mbuf] += by;
  pool.hdrLen[mbuf] += by;
}

/** HOT. How many tags the frame in `bytes[start..end)` has, of these TPIDs and up to two. */
export function tagCount(
  bytes: Uint8Array,
  start: number,
  end: number,
  inner: number,
  outer: number,
): number {
  if (start + ETHER.HEADER + TAG > end) return 0;
  const first = readUint16BE(bytes, start + ETHER.TYPE);
  if (first !== inner && first !== outer) return 0;
  if (start + ETHER.HEADER + 2 * TAG > end) return 1;
  const second = readUint16BE(bytes, start + ETHER.TYPE + TAG);
  return second === inner || second === outer ? 2 : 1;
}

/**
 * HOT. Offset in the frame of the tag by which a port filters and strips: the first, or with `extend` the one
 * behind an outer tag. -1: there is none.
 */
export function vlanTag(
  bytes: Uint8Array,
  start: number,
  end: number,
  inner: number,
  outer: number,
  extend: boolean,
): number {
  const count = tagCount(bytes, start, end, inner, outer);
  if (count === 0) return -1;
  const behind = extend && count === 2 && readUint16BE(bytes, start + ETHER.TYPE) === outer;
  const at = ETHER.TYPE + (behind ? TAG : 0);
  return readUint16BE(bytes, start + at) === inner ? at : -1;
}
