// SPDX-License-Identifier: BSD-3-Clause
// What a queue of this package costs that can be captured, while nobody captures: nanoseconds of a burst
// through it, and through the same calls of the addon without the look at the capture's word. Both take turns
// in short slices on the same rings. Run it with: node --import tsx test/perf/capture-branch.ts
import { openRxQueue, openTxQueue } from '../../src/drivers/table.ts';
import { type MbufVector, Mempool } from '../../src/ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../src/ethdev/port.ts';
import { native, type QueueHandle } from '../../src/native.ts';
import { openLoopback } from '../support/loopback.ts';

const BURST = 32;
const BURSTS = 5000;
const SLICES = 200;

class BareRxQueue implements RxQueue {
  readonly handle: QueueHandle;
  constructor(handle: QueueHandle) {
    this.handle = handle;
  }
  burst(pkts: MbufVector, n: number): number {
    return native.rxBurst(this.handle, pkts.handle, n);
  }
}

class BareTxQueue implements TxQueue {
  readonly handle: QueueHandle;
  constructor(handle: QueueHandle) {
    this.handle = handle;
  }
  burst(pkts: MbufVector, from: number, to: number): number {
    return native.txBurst(this.handle, pkts.handle, from, to);
  }
}

const loopback = openLoopback(new Uint8Array(64).fill(2));
const pool = new Mempool({ count: 1024, hugepages: false });
const pkts = pool.vector(BURST);
const spec = (role: 'rx' | 'tx', handle: QueueHandle) => ({
  ...{ driver: 'net_vhost_pci', role, port: 0, queue: 0 },
  data: { handle },
});

/** A function of its own for each kind of queue, so that the compiler knows its classes. */
function looped(rx: RxQueue, tx: TxQueue): () => number {
  return new Function('native', 'loopback', 'pkts', 'rx', 'tx', LOOP)(native, loopback, pkts, rx, tx);
}
/** Nanoseconds of a burst in and out, without those that the peer's side takes. */
const LOOP = `return () => {
  let ns = 0;
  for (let i = 0; i < ${BURSTS}; i++) {
    native.driverGenerate(loopback.peerTx, ${BURST});
    native.tscLap();
    tx.burst(pkts, 0, rx.burst(pkts, ${BURST}));
    ns += native.tscLap();
    native.driverReceive(loopback.peerRx, ${BURST}, false);
  }
  return ns / ${BURSTS} / native.tscHz() * 1e9;
}`;

const capturable = looped(openRxQueue(spec('rx', loopback.rx)), openTxQueue(spec('tx', loopback.tx)));
const bare = looped(new BareRxQueue(loopback.rx), new BareTxQueue(loopback.tx));
for (let i = 0; i < 20; i++) [capturable(), bare()];
const pairs = Array.from({ length: SLICES }, () => [capturable(), bare()] as const);
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number;
process.stdout.write(
  `${JSON.stringify({
    capturable_ns: Number(median(pairs.map(([a]) => a)).toFixed(1)),
    bare_ns: Number(median(pairs.map(([, b]) => b)).toFixed(1)),
    difference_ns: Number(median(pairs.map(([a, b]) => a - b)).toFixed(2)),
    ratio: Number(median(pairs.map(([a, b]) => a / b)).toFixed(4)),
  })}\n`,
);
loopback.close();
pool.close();
