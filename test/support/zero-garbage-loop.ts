// SPDX-License-Identifier: BSD-3-Clause
// Ten million packets through rx, testpmd's macswap in TypeScript, and tx, in one thread with the built-in
// peer's rings; prints the bytes of JavaScript heap left behind. It is a separate process, so that nothing
// else allocates meanwhile.
import { getHeapStatistics } from 'node:v8';
import { openRxQueue, openTxQueue } from '../../src/drivers/table.ts';
import { Mempool } from '../../src/ethdev/mempool.ts';
import { native, type QueueHandle } from '../../src/native.ts';
import { type FwdStream, STREAM_STRIDE } from '../../src/testpmd/fwd/engine.ts';
import { engineNamed } from '../../src/testpmd/fwd/engines.ts';
import { defaultTraffic } from '../../src/testpmd/fwd/traffic.ts';
import { openLoopback } from './loopback.ts';

const PACKETS = 10_000_000;
const BURST = 32;

const loopback = openLoopback(Uint8Array.from({ length: 64 }, (_, i) => (i < 6 ? 2 : i)));
const pool = new Mempool({ count: 1024, hugepages: false });
const spec = (role: 'rx' | 'tx', handle: QueueHandle) => ({
  driver: 'net_vhost_pci',
  role,
  port: 0,
  queue: 0,
  data: { handle },
});
const stream = {
  plan: { index: 0, rxPort: 0, rxQueue: 0, txPort: 0, txQueue: 0, rxId: 0, txId: 0, txMac: '', peerMac: '' },
  run: {
    mode: 'macswap',
    burst: BURST,
    verbose: 0,
    retries: 0,
    retryDelay: 0,
    txSegments: [64],
    traffic: defaultTraffic(),
    txFirst: 0,
    recordCycles: false,
    inPlace: true,
    emptyPolls: 0,
    mbufs: 1024,
    dataRoom: 2048,
    hugepages: false,
  },
  rx: openRxQueue(spec('rx', loopback.rx)),
  tx: openTxQueue(spec('tx', loopback.tx)),
  pool,
  pkts: pool.vector(BURST),
  counters: new Float64Array(new SharedArrayBuffer(8 * STREAM_STRIDE)),
  state: undefined,
} satisfies FwdStream;
const engine = engineNamed('macswap');

function run(packets: number): number {
  let done = 0;
  while (done < packets) {
    native.driverGenerate(loopback.peerTx, BURST);
    done += engine.packetFwd(stream);
    native.driverReceive(loopback.peerRx, BURST, true);
  }
  return done;
}

globalThis.gc?.();
getHeapStatistics();
run(2_000_000); // long enough for the optimising compiler, whose own objects must not be measured
const before = getHeapStatistics().used_heap_size;
const packets = run(PACKETS);
const growth = getHeapStatistics().used_heap_size - before;
const [received, , badChecksum, outOfSequence] = new BigUint64Array(native.driverQueueStats(loopback.peerRx));
process.stdout.write(
  JSON.stringify({
    packets,
    growth,
    received: Number(received),
    bad: Number(badChecksum) + Number(outOfSequence),
    available: pool.available,
  }),
);
