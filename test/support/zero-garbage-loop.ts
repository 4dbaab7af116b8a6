// SPDX-License-Identifier: BSD-3-Clause
// Ten million packets through rx, testpmd's macswap in TypeScript, and tx, in one thread with the built-in
// peer's rings; prints the bytes of JavaScript heap left behind. It is a separate process, so that nothing
// else allocates meanwhile. With the argument `soft`, software does all it can: it filters and strips VLANs,
// hashes packets over two queues, applies flow rules, and adds a tag. With `latency`, it measures how long
// packets take.
import { getHeapStatistics } from 'node:v8';
import { openRxQueue, openTxQueue } from '../../src/drivers/table.ts';
import { Mempool } from '../../src/ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../src/ethdev/port.ts';
import { native, type QueueHandle } from '../../src/native.ts';
import { type FlowRule, ruleHits } from '../../src/offload/flow-rule.ts';
import { rxPlan, TPIDS, txPlan } from '../../src/offload/offload.test-help.ts';
import { DEFAULT_RSS_KEY, evenReta, RSS_TYPES } from '../../src/offload/rss.ts';
import { RxSpreader } from '../../src/offload/rx-queues.ts';
import { TaggingTxQueue } from '../../src/offload/tx-queue.ts';
import { udpFrameHeaders } from '../../src/packet/frames.ts';
import { parseFlow } from '../../src/testpmd/flow-syntax.ts';
import { type FwdStream, STREAM_STRIDE } from '../../src/testpmd/fwd/engine.ts';
import { engineNamed } from '../../src/testpmd/fwd/engines.ts';
import { LATENCY, LATENCY_WORDS, LatencyQueues } from '../../src/testpmd/fwd/latency.ts';
import { fwdStream } from '../../src/testpmd/fwd/plans.test-help.ts';
import { openLoopback } from './loopback.ts';

const PACKETS = 10_000_000;
const BURST = 32;
const QUEUES = 2;
const VLAN = 5;
const mode = process.argv[2];
const soft = mode === 'soft';
const stats = new Float64Array(LATENCY_WORDS);
const rules = [
  'ipv4 / udp dst is 7 / end actions drop / end',
  'ipv4 / end actions mark id 3 / count / end',
].map((end) => parseFlow(`ingress pattern eth / vlan / ${end}`, QUEUES).rule);

const loopback = openLoopback(
  soft ? taggedFrame() : Uint8Array.from({ length: 64 }, (_, i) => (i < 6 ? 2 : i)),
);
const pool = new Mempool({ count: 1024, hugepages: false });
const spec = (role: 'rx' | 'tx', handle: QueueHandle) => ({
  driver: 'net_vhost_pci',
  role,
  port: 0,
  queue: 0,
  data: { handle },
});
const device = {
  rx: openRxQueue(spec('rx', loopback.rx)),
  tx: openTxQueue(spec('tx', loopback.tx)),
};
const engine = engineNamed('macswap');
const streams = soft ? softQueues() : [mode === 'latency' ? measuredQueues() : device];
const forwarded = streams.map(streamOf);

/** UDP over IPv4 in a VLAN. */
function taggedFrame(): Uint8Array {
  const flow = {
    ...{ destinationMac: '02:00:00:00:00:01', sourceMac: '02:00:00:00:00:02' },
    ...{ sourceIp: '10.0.0.1', destinationIp: '10.0.0.2', sourcePort: 1, destinationPort: 2 },
  };
  const plain = new Uint8Array(64);
  plain.set(udpFrameHeaders(flow, plain.length));
  return Uint8Array.from([...plain.subarray(0, 12), 0x81, 0x00, 0x00, VLAN, ...plain.subarray(12)]);
}

function softQueues(): { rx: RxQueue; tx: TxQueue }[] {
  const filter = new Uint8Array(512);
  filter[0] = 1 << VLAN;
  const plan = rxPlan({
    unicast: [Uint8Array.of(2, 0, 0, 0, 0, 1)],
    vlan: { strip: true, qinqStrip: true, extend: true, filter },
    rules,
    rss: {
      types: RSS_TYPES.ipv4 | RSS_TYPES['ipv4-udp'],
      key: DEFAULT_RSS_KEY,
      reta: evenReta(QUEUES),
    },
    queues: QUEUES,
  });
  const spreader = new RxSpreader([device.rx], plan, pool, BURST);
  const tags = txPlan({ tags: [{ tpid: TPIDS.inner, tci: VLAN }] });
  return Array.from({ length: QUEUES }, (_, queue) => ({
    rx: spreader.queue(queue),
    tx: new TaggingTxQueue(device.tx, tags, true, BURST),
  }));
}

function measuredQueues(): { rx: RxQueue; tx: TxQueue } {
  const queues = new LatencyQueues({ rxQueue: () => device.rx, txQueue: () => device.tx }, pool, stats);
  return { rx: queues.rxQueue(0, 0), tx: queues.txQueue(0, 0) };
}

function streamOf({ rx, tx }: { rx: RxQueue; tx: TxQueue }): FwdStream {
  return fwdStream({
    ...{ rx, tx, pool },
    plan: { txPort: 0, txId: 0 },
    run: { mode: 'macswap', burst: BURST, mbufs: pool.count },
    counters: new Float64Array(new SharedArrayBuffer(8 * STREAM_STRIDE)),
  });
}

function run(packets: number): number {
  let done = 0;
  while (done < packets) {
    native.driverGenerate(loopback.peerTx, BURST);
    for (let i = 0; i < forwarded.length; i++) done += engine.packetFwd(forwarded[i]);
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
    marked: ruleHits(rules[1] as FlowRule).hits,
    measured: stats[LATENCY.SAMPLES],
  }),
);
