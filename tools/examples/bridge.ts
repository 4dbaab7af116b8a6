// SPDX-License-Identifier: BSD-3-Clause
// bridge.ts DEVICE DEVICE… [--max-age SECONDS]: a learning bridge. It has no spanning tree: build no loops.
import { isMainThread } from 'node:worker_threads';
import { ETHER, type LcoreContext, readInt32BE } from 'vhost-pci-pmd';
import { run, wholeNumber } from './application.ts';
import { MacTable } from './mac-table.ts';

const BURST = 32;
const ENTRIES = 4096;
/** So that a jumbo frame is in one mbuf, and a copy of it in another. */
const DATA_ROOM = 9728;
const [FORWARDED, FLOODED, DROPPED] = [0, 1, 2];

interface Settings {
  /** Seconds since the start, kept by the main thread: reading a clock would allocate. */
  readonly clock: Int32Array;
  readonly maxAge: number;
}

export default function bridge(lcore: LcoreContext<Settings>): void {
  const { clock, maxAge } = lcore.data;
  const { stats } = lcore;
  const pool = lcore.createPool({ count: 2048, dataRoom: DATA_ROOM });
  const { bytes, stride, dataOff, dataLen, pktLen } = pool;
  const table = new MacTable(ENTRIES, maxAge);
  const received = pool.vector(BURST);
  const spare = pool.vector(1);
  const ports = Array.from({ length: lcore.portCount }, (_, i) => ({
    rx: lcore.rxQueue(i),
    tx: lcore.txQueue(i),
    // Packets to send, `queued` of them.
    out: pool.vector(BURST),
    queued: 0,
  }));

  const send = (to: number, mbuf: number) => {
    const port = ports[to];
    port.out.ids[port.queued++] = mbuf;
  };

  const free = (mbuf: number) => {
    spare.ids[0] = mbuf;
    pool.free(spare, 0, 1);
    stats[DROPPED]++;
  };

  /** The packet itself goes to the last port, copies of it to the others. */
  const flood = (mbuf: number, from: number) => {
    const length = dataLen[mbuf];
    const last = from === ports.length - 1 ? from - 1 : ports.length - 1;
    for (let to = 0; to < last; to++) {
      if (to === from) continue;
      if (length !== pktLen[mbuf] || pool.alloc(spare, 1) === 0) {
        stats[DROPPED]++;
        continue;
      }
      const copy = spare.ids[0];
      const start = mbuf * stride + dataOff[mbuf];
      bytes.copyWithin(copy * stride + dataOff[copy], start, start + length);
      dataLen[copy] = length;
      pktLen[copy] = length;
      send(to, copy);
    }
    send(last, mbuf);
    stats[FLOODED]++;
  };

  const forward = (mbuf: number, from: number) => {
    const frame = mbuf * stride + dataOff[mbuf];
    // An address with the group bit is nobody's: as a source it is an error, as a destination it is flooded.
    const isError = dataLen[mbuf] < ETHER.HEADER || (bytes[frame + ETHER.SOURCE] & 1) !== 0;
    if (isError || isReserved(bytes, frame)) return free(mbuf);
    table.learn(bytes, frame + ETHER.SOURCE, from, clock[0]);
    const to = (bytes[frame] & 1) !== 0 ? -1 : table.lookup(bytes, frame, clock[0]);
    if (to < 0) return flood(mbuf, from);
    if (to === from) return free(mbuf);
    send(to, mbuf);
    stats[FORWARDED]++;
  };

  while (lcore.running()) {
    for (let from = 0; from < ports.length; from++) {
      const n = ports[from].rx.burst(received, BURST);
      for (let i = 0; i < n; i++) forward(received.ids[i], from);
      for (let to = 0; n > 0 && to < ports.length; to++) {
        const { tx, out, queued } = ports[to];
        const sent = tx.burst(out, 0, queued);
        pool.free(out, sent, queued);
        stats[DROPPED] += queued - sent;
        ports[to].queued = 0;
      }
    }
  }
}

/** 01:80:C2:00:00:00 to 0F stay on their link: spanning tree, LLDP, flow control (IEEE 802.1Q, 8.6.3). */
function isReserved(bytes: Uint8Array, frame: number): boolean {
  return readInt32BE(bytes, frame) === 0x0180c200 && bytes[frame + 4] === 0 && bytes[frame + 5] < 16;
}

if (isMainThread)
  run({
    ...{ module: import.meta.url, usage: 'bridge.ts DEVICE DEVICE… [--max-age SECONDS]', devices: [2, 32] },
    counters: ['forwarded', 'flooded', 'dropped'],
    options: { 'max-age': '300' },
    data: (options): Settings => {
      const clock = new Int32Array(new SharedArrayBuffer(4));
      setInterval(() => clock.fill(performance.now() / 1000), 1000).unref();
      return { clock, maxAge: wholeNumber('max-age', options['max-age'], 1, 1e6) };
    },
  });
