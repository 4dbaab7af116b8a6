// SPDX-License-Identifier: BSD-3-Clause
// Sends UDP packets of many flows, which differ in the destination address, and drops what it receives.
// As in DPDK, a packet is four bytes shorter than `set txpkts` says, which count as the check sequence.
import type { MbufVector, Mempool } from '../../ethdev/mempool.ts';
import { writeInt32BE, writeUint16BE } from '../../packet/bytes.ts';
import { updatedChecksum } from '../../packet/checksum.ts';
import { udpFrameHeaders } from '../../packet/frames.ts';
import { ETHER, IPV4 } from '../../packet/headers.ts';
import { ipv4Number } from '../../packet/ipv4.ts';
import { type FwdEngine, type FwdStream, STREAM_DROPPED, STREAM_TX } from './engine.ts';
import { streamReceive } from './stream.ts';

/** Bytes of the frame check sequence. */
const FCS = 4;

const FLOW = {
  destinationMac: '00:01:02:03:04:01',
  sourceMac: '00:01:02:03:04:00',
  sourceIp: '10.254.0.0',
  destinationIp: '10.253.0.0',
  sourcePort: 1000,
  destinationPort: 1001,
};
const FIRST = ipv4Number(FLOW.destinationIp);
const DESTINATION = ETHER.HEADER + IPV4.DESTINATION;
const CHECKSUM = ETHER.HEADER + IPV4.CHECKSUM;

interface FlowGen {
  /** Its buffers hold the headers; only tags, which are inserted, write to it otherwise. */
  readonly pool: Mempool;
  readonly pkts: MbufVector;
  readonly length: number;
  /** The header checksum of the first flow. */
  readonly checksum: number;
  /** What tags overwrite, of a port that adds some. */
  readonly addresses: Uint8Array | null;
  /** The next flow. */
  next: number;
}

/** Length of the packets. */
export const flowgenLength = (segments: readonly number[]): number =>
  segments.reduce((sum, length) => sum + length, 0) - FCS;

export const flowgen: FwdEngine = {
  name: 'flowgen',
  tags: true,
  generates: true,
  streamInit(stream, lcore) {
    const { burst, dataRoom, txSegments } = stream.run;
    const length = flowgenLength(txSegments);
    const pool = lcore.createPool({ count: Math.max(64, 2 * burst + 1), dataRoom, hugepages: false });
    const headers = udpFrameHeaders(FLOW, length);
    pool.bytes.fill(0);
    for (let mbuf = 0; mbuf < pool.count; mbuf++) pool.bytes.set(headers, mbuf * pool.stride + pool.headroom);
    const checksum = (headers[CHECKSUM] << 8) | headers[CHECKSUM + 1];
    stream.state = {
      pool,
      pkts: pool.vector(Math.max(1, burst)),
      length,
      checksum,
      addresses: stream.plan.txOffload ? headers.slice(0, ETHER.HEADER) : null,
      next: 0,
    } satisfies FlowGen;
  },
  packetFwd(stream) {
    const received = streamReceive(stream);
    if (received > 0) stream.pool.free(stream.pkts, 0, received);
    return received + generate(stream, stream.state as FlowGen);
  },
  end(stream) {
    (stream.state as FlowGen).pool.close();
  },
};

/** HOT. Sends a burst; returns the number of packets sent. */
function generate(stream: FwdStream, state: FlowGen): number {
  const { burst, traffic } = stream.run;
  const { pool, pkts } = state;
  if (burst === 0 || pool.alloc(pkts, burst, state.length) === 0) return 0;
  let flow = state.next;
  let clones = 0;
  for (let i = 0; i < burst; i++) {
    if (clones === 0) flow = state.next;
    clones = clones === 0 ? traffic.flowgenClones : clones - 1;
    setFlow(state, pkts.ids[i], flow);
    if (++state.next >= traffic.flowgenFlows) state.next = 0;
  }
  const sent = stream.tx.burst(pkts, 0, burst);
  stream.counters[STREAM_TX] += sent;
  if (sent < burst) {
    stream.counters[STREAM_DROPPED] += burst - sent;
    pool.free(pkts, sent, burst);
    // What was not sent is sent next.
    state.next = (state.next + traffic.flowgenFlows * burst - (burst - sent)) % traffic.flowgenFlows;
  }
  return sent;
}

function setFlow({ pool, checksum, addresses }: FlowGen, mbuf: number, flow: number): void {
  const frame = mbuf * pool.stride + pool.dataOff[mbuf];
  const upper = (FIRST + flow) >>> 16;
  if (addresses !== null) pool.bytes.set(addresses, frame);
  let sum = checksum;
  if (upper !== FIRST >>> 16) sum = updatedChecksum(sum, FIRST >>> 16, upper);
  sum = updatedChecksum(sum, FIRST & 0xffff, (FIRST + flow) & 0xffff);
  writeInt32BE(pool.bytes, frame + DESTINATION, (FIRST + flow) | 0);
  writeUint16BE(pool.bytes, frame + CHECKSUM, sum);
}
