// SPDX-License-Identifier: BSD-3-Clause
// Frames of txonly that are composed one by one: of several segments, all of them or a random number; of
// several flows; with the time at which they are to be sent.
import type { MbufVector, Mempool } from '../../ethdev/mempool.ts';
import { NO_NEXT, native } from '../../native.ts';
import { writeInt32BE, writeUint16BE } from '../../packet/bytes.ts';
import { UDP_FRAME_HEADERS, type UdpFlow, udpFrameHeaders } from '../../packet/frames.ts';
import { ETHER, IPV4, UDP } from '../../packet/headers.ts';
import type { RunPlan } from './engine.ts';
import type { TrafficPlan } from './traffic.ts';

const SOURCE_PORT = ETHER.HEADER + IPV4.HEADER + UDP.SOURCE_PORT;
/** First of the ports of several flows, which are ephemeral (RFC 6335); the lower byte is the lcore's. */
const FIRST_FLOW = 0xc0;
/** testpmd's mark, behind the headers: signature, packet of the burst, queue, nanoseconds. */
const MARK = { SIGNATURE: 0, PACKET: 4, QUEUE: 6, TIME: 8, LENGTH: 16 } as const;
const SIGNATURE = 0xbeefc0de;
const NS = 1e9;

export interface Frames {
  readonly pool: Mempool;
  /** All segments of a burst. */
  readonly segments: MbufVector;
  readonly lengths: readonly number[];
  readonly traffic: TrafficPlan;
  readonly burst: number;
  readonly lcore: number;
  /** Headers of a frame of 1, 2, ... segments. */
  readonly headers: readonly Uint8Array[];
  /** The head of the packet that is written, and whether the mark is part of it. */
  readonly head: Uint8Array;
  readonly headLength: number;
  /** Counts packets, for their flow, and those of the burst. */
  flow: number;
  packet: number;
  /** Nanoseconds of the time-stamp counter: when the last packet was due, 0 before the first. */
  last: number;
  readonly nsPerCycle: number;
}

/** Whether the packets of a burst differ. */
export const varies = (traffic: TrafficPlan): boolean =>
  traffic.split === 'rand' || traffic.multiFlow || traffic.interBurst > 0;

/** Why the first segment, or the packet, is too short for what varies, in testpmd's words; null if not. */
export function variationFault(traffic: TrafficPlan, lengths: readonly number[]): string | null {
  const [first = 0] = lengths;
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const marked = UDP_FRAME_HEADERS + MARK.LENGTH;
  const random = traffic.split === 'rand';
  if ((random || traffic.multiFlow) && first < UDP_FRAME_HEADERS)
    return `testpmd: Random segment number or multiple flow is enabled, but tx_pkt_seg_lengths[0] ${first} < ${UDP_FRAME_HEADERS} (needed)`;
  if (traffic.interBurst === 0) return null;
  if (random && first < marked)
    return `testpmd: Time stamp and random segment number are enabled, but tx_pkt_seg_lengths[0] ${first} < ${marked} (needed)`;
  return total < marked
    ? `testpmd: Not enough Tx segment space for time stamp info, total ${total} < ${marked} (needed)`
    : null;
}

export function newFrames(pool: Mempool, flow: UdpFlow, run: RunPlan, lcore: number, queue: number): Frames {
  const { burst, traffic, txSegments } = run;
  const totals = txSegments.map((_, i) =>
    txSegments.slice(0, i + 1).reduce((sum, length) => sum + length, 0),
  );
  const head = new Uint8Array(UDP_FRAME_HEADERS + MARK.LENGTH);
  writeInt32BE(head, UDP_FRAME_HEADERS + MARK.SIGNATURE, SIGNATURE);
  writeUint16BE(head, UDP_FRAME_HEADERS + MARK.QUEUE, queue);
  return {
    pool,
    segments: pool.vector(Math.max(1, burst * txSegments.length)),
    lengths: txSegments,
    traffic,
    burst,
    lcore,
    headers: totals.map((total) => udpFrameHeaders(flow, Math.max(total, UDP_FRAME_HEADERS))),
    head,
    headLength: traffic.interBurst > 0 ? head.length : UDP_FRAME_HEADERS,
    flow: 0,
    packet: 0,
    last: 0,
    nsPerCycle: NS / native.tscHz(),
  };
}

/**
 * Whether the next packet, or burst where its packets have no gaps, is due. The clock is read here only, as
 * reading it allocates.
 */
export function dueTime(frames: Frames): boolean {
  const { interBurst, intraBurst } = frames.traffic;
  const now = native.rdtsc() * frames.nsPerCycle;
  if (frames.last === 0) frames.last = now;
  const due = frames.last + (frames.packet === 0 ? interBurst : intraBurst);
  if (now < due) return false;
  frames.last = due;
  return true;
}

/** HOT. Writes up to `n` packets into `pkts`; returns their number. */
export function writeFrames(frames: Frames, pkts: MbufVector, n: number): number {
  const { pool, segments, lengths, traffic } = frames;
  const most = n * lengths.length;
  if (pool.alloc(segments, most) === 0) return 0;
  let used = 0;
  for (let i = 0; i < n; i++) {
    const count = traffic.split === 'rand' ? 1 + Math.floor(Math.random() * lengths.length) : lengths.length;
    pkts.ids[i] = segments.ids[used];
    prepareHead(frames, count);
    chain(frames, used, count);
    used += count;
    if (++frames.packet >= frames.burst) frames.packet = 0;
  }
  if (used < most) pool.free(segments, used, most);
  return n;
}

/** Sets `head` to that of the next packet, which has `count` segments. */
function prepareHead(frames: Frames, count: number): void {
  const { head, traffic } = frames;
  const headers = frames.headers[count - 1];
  for (let i = 0; i < headers.length; i++) head[i] = headers[i];
  if (traffic.multiFlow) {
    writeUint16BE(head, SOURCE_PORT, ((frames.flow + FIRST_FLOW) << 8) + frames.lcore);
    if (++frames.flow >= traffic.flows) frames.flow = 0;
  }
  if (traffic.interBurst === 0) return;
  // As in testpmd, only the first packet of a burst without gaps tells the time.
  const time = frames.packet === 0 || traffic.intraBurst > 0 ? frames.last : 0;
  writeUint16BE(head, UDP_FRAME_HEADERS + MARK.PACKET, frames.packet);
  writeInt32BE(head, UDP_FRAME_HEADERS + MARK.TIME, Math.floor(time / 2 ** 32));
  writeInt32BE(head, UDP_FRAME_HEADERS + MARK.TIME + 4, time % 2 ** 32);
}

/** Makes a packet of the `count` segments from `first` on, and writes its head. */
function chain({ pool, segments, lengths, head, headLength }: Frames, first: number, count: number): void {
  const { ids } = segments;
  let offset = 0;
  for (let s = 0; s < count; s++) {
    const mbuf = ids[first + s];
    const length = lengths[s];
    const start = mbuf * pool.stride + pool.dataOff[mbuf];
    pool.dataLen[mbuf] = length;
    pool.next[mbuf] = s + 1 < count ? ids[first + s + 1] : NO_NEXT;
    for (let i = 0; i < length && offset + i < headLength; i++) pool.bytes[start + i] = head[offset + i];
    offset += length;
  }
  pool.pktLen[ids[first]] = offset;
}
