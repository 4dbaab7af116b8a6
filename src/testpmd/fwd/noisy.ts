// SPDX-License-Identifier: BSD-3-Clause
// A noisy neighbour: forwards packets after looking up memory for each of them, and keeps some waiting, as
// the --noisy options say. A packet that finds the queue full pushes the oldest out, which is sent.
import { MbufRing } from '../../ethdev/mbuf-ring.ts';
import type { Mempool } from '../../ethdev/mempool.ts';
import { native } from '../../native.ts';
import { macWords } from '../../packet/mac.ts';
import type { FwdEngine, FwdStream } from './engine.ts';
import { swapFiveTuple } from './five-tuple-swap.ts';
import { setMacs } from './mac.ts';
import { swapMacs } from './macswap.ts';
import { streamDrop, streamReceive, streamTransmit } from './stream.ts';
import type { NoisyPlan } from './traffic.ts';

const CACHE_LINE = 64;
const MEGABYTE = 1 << 20;

interface Noisy {
  readonly plan: NoisyPlan;
  readonly alter: ((pool: Mempool, mbuf: number) => void) | null;
  readonly fifo: MbufRing | null;
  /** The next packets out, while the waiting ones make room for those in `stream.pkts`. */
  readonly out: Uint32Array;
  readonly memory: Uint8Array;
  /** Time-stamp counter when packets left the queue last, and cycles until it is emptied. */
  last: number;
  readonly flushCycles: number;
  /** The state of a generator of random numbers (xorshift, Marsaglia 2003). */
  random: number;
  /** What was read, so that it is not optimized away. */
  read: number;
}

export const noisy: FwdEngine = {
  name: 'noisy',
  streamInit(stream) {
    const plan = stream.run.traffic.noisy;
    stream.state = {
      plan,
      alter: alteration(plan, stream),
      fifo: plan.bufferSize > 1 ? new MbufRing(plan.bufferSize) : null,
      out: new Uint32Array(stream.run.burst),
      memory: new Uint8Array(plan.memory * MEGABYTE),
      last: native.rdtsc(),
      flushCycles: (plan.flushTime * native.tscHz()) / 1000,
      random: 0x2545f491,
      read: 0,
    } satisfies Noisy;
  },
  packetFwd(stream) {
    const state = stream.state as Noisy;
    const n = streamReceive(stream);
    if (state.alter !== null) for (let i = 0; i < n; i++) state.alter(stream.pool, stream.pkts.ids[i]);
    for (let i = 0; i < n; i++) lookUp(state);
    if (state.fifo !== null) return n + queued(stream, state, state.fifo, n);
    if (n > 0) streamTransmit(stream, n);
    return n;
  },
  end(stream) {
    const { fifo } = stream.state as Noisy;
    while (fifo !== null && fifo.length > 0) {
      stream.pkts.ids[0] = fifo.shift();
      streamDrop(stream, 0, 1);
    }
  },
};

function alteration(plan: NoisyPlan, { plan: { peerMac, txMac } }: FwdStream): Noisy['alter'] {
  const macs = macWords(peerMac, txMac);
  if (plan.forwardMode === 'mac') return (pool, mbuf) => setMacs(pool, mbuf, macs);
  if (plan.forwardMode === 'macswap') return swapMacs;
  return plan.forwardMode === '5tswap' ? swapFiveTuple : null;
}

/** HOT. What is done in memory for one packet: each access is to another cache line. */
function lookUp(state: Noisy): void {
  const { writes, reads, readsWrites } = state.plan;
  for (let i = writes + readsWrites; i > 0; i--) state.memory[place(state)] = state.random;
  for (let i = reads + readsWrites; i > 0; i--) state.read ^= state.memory[place(state)];
}

function place(state: Noisy): number {
  let x = state.random;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  state.random = x;
  return ((x >>> 0) % (state.memory.length / CACHE_LINE)) * CACHE_LINE;
}

/** HOT. One place stays free, as in an rte_ring. */
const roomOf = (fifo: MbufRing): number => fifo.room - 1;

/** HOT. Queues the `n` packets that came; returns the number that left the queue for it. */
function queued(stream: FwdStream, state: Noisy, fifo: MbufRing, n: number): number {
  const { ids } = stream.pkts;
  const out = Math.min(Math.max(0, n - roomOf(fifo)), fifo.length);
  for (let i = 0; i < out; i++) state.out[i] = fifo.shift();
  const kept = Math.min(n, roomOf(fifo));
  for (let i = 0; i < kept; i++) fifo.push(ids[i]);
  // A queue shorter than a burst.
  if (kept < n) streamDrop(stream, kept, n);
  if (out > 0) {
    for (let i = 0; i < out; i++) ids[i] = state.out[i];
    streamTransmit(stream, out);
    if (state.flushCycles > 0) state.last = native.rdtsc();
    return out;
  }
  return state.flushCycles > 0 && fifo.length > 0 ? flush(stream, state, fifo) : 0;
}

/** Sends all that wait, if none has left for long enough. */
function flush(stream: FwdStream, state: Noisy, fifo: MbufRing): number {
  const now = native.rdtsc();
  if (now - state.last < state.flushCycles) return 0;
  state.last = now;
  const waiting = fifo.length;
  while (fifo.length > 0) {
    const n = Math.min(fifo.length, stream.run.burst);
    if (n === 0) return 0;
    for (let i = 0; i < n; i++) stream.pkts.ids[i] = fifo.shift();
    streamTransmit(stream, n);
  }
  return waiting;
}
