// SPDX-License-Identifier: BSD-3-Clause
// generator.ts DEVICE [--size 64]: sends numbered UDP datagrams, written where the peer receives them.
import { isMainThread } from 'node:worker_threads';
import {
  type LcoreContext,
  type MbufVector,
  type Mempool,
  type TxInPlace,
  type TxQueue,
  UDP_FRAME_HEADERS,
  udpFrameHeaders,
  writeInt32BE,
} from 'vhost-pci-pmd';
import { run } from './application.ts';

const BURST = 32;
/** Of the number in each datagram. */
const NUMBER = 4;
const [SENT, IN_PLACE] = [0, 1];

interface Frames {
  readonly headers: Uint8Array;
  /** Bytes of a frame, without the frame check sequence. */
  readonly size: number;
}

export default function generator(lcore: LcoreContext<Frames>): void {
  const frames = lcore.data;
  const tx = lcore.txQueue(0);
  const pool = lcore.createPool({ count: 64 });
  const pkts = pool.vector(BURST);
  const { inPlace } = tx;
  for (let next = 0; lcore.running(); ) {
    const reserved = inPlace ? inPlace.reserve(BURST) : 0;
    const written = inPlace && reserved > 0 ? fillInPlace(inPlace, reserved, frames, next) : 0;
    // The peer has no buffer, or its next one is too small or of a shape that only a burst can fill.
    const sent = written > 0 ? written : sendBurst(tx, pool, pkts, frames, next);
    // A number stays a signed 32-bit integer, since V8 may box larger ones.
    next = (next + sent) | 0;
    lcore.stats[SENT] += sent;
    lcore.stats[IN_PLACE] += written;
  }
}

/** Writes into the peer's own buffers, whose room differs. What is not committed goes back. */
function fillInPlace(inPlace: TxInPlace, reserved: number, { headers, size }: Frames, next: number): number {
  const { offset, room, length } = inPlace.slots;
  const bytes = inPlace.slots.bytes();
  let filled = 0;
  for (; filled < reserved && room[filled] >= size; filled++) {
    write(bytes, offset[filled], headers, next + filled);
    length[filled] = size;
  }
  return inPlace.commit(filled);
}

function sendBurst(tx: TxQueue, pool: Mempool, pkts: MbufVector, frames: Frames, next: number): number {
  if (pool.alloc(pkts, BURST) === 0) return 0;
  for (let i = 0; i < BURST; i++) {
    const mbuf = pkts.ids[i];
    write(pool.bytes, mbuf * pool.stride + pool.dataOff[mbuf], frames.headers, next + i);
    pool.dataLen[mbuf] = frames.size;
    pool.pktLen[mbuf] = frames.size;
  }
  const sent = tx.burst(pkts, 0, BURST);
  pool.free(pkts, sent, BURST);
  return sent;
}

/** Headers and number; the rest of the payload is what the buffer held before. */
function write(bytes: Uint8Array, at: number, headers: Uint8Array, number: number): void {
  bytes.set(headers, at);
  writeInt32BE(bytes, at + headers.length, number);
}

if (isMainThread)
  run({
    ...{ module: import.meta.url, usage: 'generator.ts DEVICE [--size BYTES] [--to MAC]', devices: [1, 1] },
    counters: ['sent', 'in place'],
    options: { size: '64', to: 'ff:ff:ff:ff:ff:ff' },
    data: (options, [port]): Frames => {
      const size = Number(options.size);
      const least = UDP_FRAME_HEADERS + NUMBER;
      // biome-ignore format: one line
      if (!(size >= least && size <= 1514)) throw new Error(`--size must be from ${least} to 1514, not ${options.size}`);
      const macs = { sourceMac: port.info.mac, destinationMac: options.to };
      const ips = { sourceIp: '198.18.0.1', destinationIp: '198.18.0.2' };
      const flow = { ...macs, ...ips, sourcePort: 9, destinationPort: 9 };
      return { headers: udpFrameHeaders(flow, size), size };
    },
  });
