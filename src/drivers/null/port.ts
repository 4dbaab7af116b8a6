// SPDX-License-Identifier: BSD-3-Clause
// net_null, as in DPDK: receive returns packets of `size` bytes at once, transmit frees packets. With copy=1
// the bytes of each packet are also copied from and to a buffer. It measures the overhead of everything but
// the driver.
import { requireInteger } from '../../arguments.ts';
import { BasePort } from '../../ethdev/base-port.ts';
import { CapturePoint } from '../../ethdev/capture-point.ts';
import { formatDevargs, integerArg } from '../../ethdev/devargs.ts';
import type { MbufVector } from '../../ethdev/mempool.ts';
import { ALL_OFFLOADS } from '../../ethdev/offloads.ts';
import type {
  Port,
  PortConfig,
  PortDriver,
  PortInfo,
  PortLink,
  PortStats,
  QueueSpec,
  RxInterrupt,
  RxQueue,
  TxQueue,
} from '../../ethdev/port.ts';

// Indices of a queue's counters, written by the polling thread and read by the main thread.
const PACKETS = 0;
const BYTES = 1;
const NOMBUF = 2;
/** Not a counter: 1 while the port is stopped and bursts do nothing. */
const STOPPED = 3;
const ERRORS = 4;
const COUNTERS = 8;
const LINK_SPEED_MBPS = 10_000;

class NullRxQueue implements RxQueue {
  readonly interrupt = neverInterrupts(false);
  readonly #counters: Float64Array;
  readonly #size: number;
  readonly #source: Uint8Array | null;
  readonly #capture: CapturePoint;

  constructor(spec: QueueSpec) {
    this.#capture = new CapturePoint(spec);
    this.#counters = new Float64Array(spec.data.counters as SharedArrayBuffer);
    this.#size = spec.data.size as number;
    this.#source = spec.data.copy === 1 ? new Uint8Array(this.#size) : null;
  }

  burst(pkts: MbufVector, wanted: number): number {
    const { pool, ids, capacity } = pkts;
    const size = this.#size;
    // As the addon reads its arguments: an unsigned number, at most the vector's capacity.
    const n = wanted >>> 0 < capacity ? wanted >>> 0 : capacity;
    if (n === 0 || this.#counters[STOPPED] !== 0) return 0;
    if (pool.alloc(pkts, n, size) === 0) {
      this.#counters[NOMBUF] += n;
      return 0;
    }
    const source = this.#source;
    if (source !== null)
      for (let i = 0; i < n; i++) pool.bytes.set(source, ids[i] * pool.stride + pool.dataOff[ids[i]]);
    this.#counters[PACKETS] += n;
    this.#counters[BYTES] += n * size;
    return this.#capture.on ? this.#capture.received(pkts, n) : n;
  }
}

/** The RX queue for no-rx=1. */
class SilentRxQueue implements RxQueue {
  readonly interrupt = neverInterrupts(true);
  burst(): number {
    return 0;
  }
}

/** Nothing to wait for: either packets are always available, so arm() never permits sleeping, or never. */
function neverInterrupts(silent: boolean): RxInterrupt {
  return { fd: -1, arm: () => silent, disarm: () => {}, counters: new Float64Array(2) };
}

class NullTxQueue implements TxQueue {
  readonly #counters: Float64Array;
  readonly #sink: Uint32Array | null;
  readonly #capture: CapturePoint;

  constructor(spec: QueueSpec) {
    this.#capture = new CapturePoint(spec);
    this.#counters = new Float64Array(spec.data.counters as SharedArrayBuffer);
    this.#sink = spec.data.copy === 1 ? new Uint32Array(16384) : null;
  }

  burst(pkts: MbufVector, first: number, end: number): number {
    const { pool, ids, capacity } = pkts;
    const from = first >>> 0;
    const to = end >>> 0 < capacity ? end >>> 0 : capacity;
    if (to <= from || this.#counters[STOPPED] !== 0) return 0;
    const captured = this.#capture.on;
    if (captured) this.#capture.sending(pkts, from, to);
    let bytes = 0;
    let errors = 0;
    for (let i = from; i < to; i++) {
      const mbuf = ids[i];
      if (mbuf >= pool.count) {
        errors++;
        continue;
      }
      bytes += pool.pktLen[mbuf];
      if (this.#sink) {
        // Word by word, because `set` needs a view, which would become garbage.
        const start = (mbuf * pool.stride + pool.dataOff[mbuf]) >>> 2;
        const words = (pool.dataLen[mbuf] + 3) >>> 2;
        for (let w = 0; w < words; w++) this.#sink[w] = pool.words[start + w];
      }
    }
    pool.free(pkts, from, to);
    this.#counters[PACKETS] += to - from - errors;
    this.#counters[BYTES] += bytes;
    this.#counters[ERRORS] += errors;
    return captured ? this.#capture.sent(to - from) : to - from;
  }
}

class NullPort extends BasePort implements Port {
  info: PortInfo;
  config: PortConfig = { rxQueues: 1, txQueues: 1 };
  started = false;
  /** All offloads: packets are discarded, so there is no work left to do. */
  readonly txOffloads = ALL_OFFLOADS;
  readonly #size: number;
  readonly #copy: number;
  readonly #silent: number;
  // The counters of all queues live as long as the port, so that totals survive reconfiguration.
  readonly #rx: Float64Array[];
  readonly #tx: Float64Array[];
  protected closed = false;
  #rxZero: number[][];
  #txZero: number[][];

  constructor(id: number, name: string, devargs: ReadonlyMap<string, string>) {
    super(id);
    this.#size = integerArg(name, devargs, 'size', { fallback: 64, min: 14, max: 65407 });
    this.#copy = integerArg(name, devargs, 'copy', { fallback: 0, min: 0, max: 1 });
    this.#silent = integerArg(name, devargs, 'no-rx', { fallback: 0, min: 0, max: 1 });
    const queues = integerArg(name, devargs, 'queues', { fallback: 16, min: 1, max: 1024 });
    this.info = nullInfo(id, name, devargs, queues);
    this.#rx = Array.from({ length: queues }, newCounters);
    this.#tx = Array.from({ length: queues }, newCounters);
    this.#rxZero = this.#rx.map((counters) => [...counters]);
    this.#txZero = this.#tx.map((counters) => [...counters]);
  }

  configure(config: PortConfig): void {
    this.requireConfigurable(config);
    this.requireQueueCounts(config);
    this.config = { ...config };
  }

  start(): void {
    this.requireOpen('start');
    this.#setStarted(true);
  }

  stop(): void {
    this.#setStarted(false);
  }

  close(): void {
    this.closed = true;
    this.#setStarted(false);
  }

  link(): PortLink {
    return { up: this.started, speed: this.started ? LINK_SPEED_MBPS : 0 };
  }

  stats(): PortStats {
    const rx = this.#sum(this.#rx, this.#rxZero);
    const tx = this.#sum(this.#tx, this.#txZero);
    return {
      ipackets: rx[PACKETS],
      opackets: tx[PACKETS],
      ibytes: rx[BYTES],
      obytes: tx[BYTES],
      imissed: 0,
      ierrors: 0,
      oerrors: tx[ERRORS],
      rxNombuf: rx[NOMBUF],
    };
  }

  xstats(): ReadonlyMap<string, number> {
    const stats = this.stats();
    const xstats = new Map<string, number>([
      ['rx_good_packets', stats.ipackets],
      ['tx_good_packets', stats.opackets],
      ['rx_good_bytes', stats.ibytes],
      ['tx_good_bytes', stats.obytes],
      ['rx_missed_errors', 0],
      ['rx_errors', 0],
      ['tx_errors', stats.oerrors],
      ['rx_mbuf_allocation_errors', stats.rxNombuf],
    ]);
    for (let q = 0; q < this.config.rxQueues; q++) {
      xstats.set(`rx_q${q}_packets`, this.#rx[q][PACKETS] - this.#rxZero[q][PACKETS]);
      xstats.set(`rx_q${q}_bytes`, this.#rx[q][BYTES] - this.#rxZero[q][BYTES]);
      xstats.set(`rx_q${q}_errors`, 0);
    }
    for (let q = 0; q < this.config.txQueues; q++) {
      xstats.set(`tx_q${q}_packets`, this.#tx[q][PACKETS] - this.#txZero[q][PACKETS]);
      xstats.set(`tx_q${q}_bytes`, this.#tx[q][BYTES] - this.#txZero[q][BYTES]);
    }
    return xstats;
  }

  clearStats(): void {
    this.#rxZero = this.#rx.map((counters) => [...counters]);
    this.#txZero = this.#tx.map((counters) => [...counters]);
  }

  rxQueueSpec(queue: number): QueueSpec {
    this.requireQueue('rx', queue);
    return this.#spec('rx', queue, this.#rx[queue]);
  }

  txQueueSpec(queue: number): QueueSpec {
    this.requireQueue('tx', queue);
    return this.#spec('tx', queue, this.#tx[queue]);
  }

  /** What the port gives and takes has no length but that of its devargs: only recorded, as in DPDK. */
  setMtu(mtu: number): void {
    requireInteger('setMtu()', 'mtu', mtu, this.info.minMtu, this.info.maxMtu);
    this.requireOpen('set the MTU of');
    this.info = { ...this.info, mtu };
  }

  /** The port has no rings. */
  descriptors(role: 'rx' | 'tx', queue: number): number {
    this.requireRing(role, queue);
    return 0;
  }

  #setStarted(started: boolean): void {
    this.started = started;
    for (const queue of [...this.#rx, ...this.#tx]) queue[STOPPED] = started ? 0 : 1;
  }

  #spec(role: 'rx' | 'tx', queue: number, counters: Float64Array): QueueSpec {
    const data = {
      counters: counters.buffer as SharedArrayBuffer,
      size: this.#size,
      copy: this.#copy,
      silent: this.#silent,
    };
    return { driver: nullDriver.name, role, port: this.id, queue, data };
  }

  #sum(queues: readonly Float64Array[], zero: readonly number[][]): number[] {
    const total = new Array<number>(COUNTERS).fill(0);
    for (let q = 0; q < queues.length; q++) {
      for (let i = 0; i < COUNTERS; i++) total[i] += queues[q][i] - zero[q][i];
    }
    return total;
  }
}

function newCounters(): Float64Array {
  return new Float64Array(new SharedArrayBuffer(COUNTERS * 8));
}

function nullInfo(id: number, name: string, devargs: ReadonlyMap<string, string>, queues: number): PortInfo {
  return {
    name,
    driver: 'net_null',
    devargs: formatDevargs(devargs),
    // Locally administered, followed by "null" in ASCII.
    mac: `02:6e:75:6c:6c:${id.toString(16).padStart(2, '0')}`,
    mtu: 1500,
    minMtu: 68,
    maxMtu: 65535,
    maxRxQueues: queues,
    maxTxQueues: queues,
    minRxBufSize: 0,
    maxRxPktLen: 0xffff_ffff,
    rxInterrupts: true,
    minDescriptors: 0,
    maxDescriptors: 65535,
    details: {},
  };
}

export const nullDriver: PortDriver = {
  name: 'net_null',
  keys: ['size', 'copy', 'no-rx', 'queues'],
  probe: (id, name, devargs) => new NullPort(id, name, devargs),
  openRxQueue: (spec) => (spec.data.silent === 1 ? new SilentRxQueue() : new NullRxQueue(spec)),
  openTxQueue: (spec) => new NullTxQueue(spec),
};
