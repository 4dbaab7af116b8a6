// SPDX-License-Identifier: BSD-3-Clause
// The contract of every port driver, tested the same way for each: counters never decrease, and every packet
// is sent, or dropped and counted, or left to the caller.
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  FakeVhostPci,
  PEER_FEATURES,
  peerFeatures,
  placedMemory,
  remoteQueues,
  SESSION_FEATURES,
} from '../../test/support/fake-vhost-pci.ts';
import { interfaceName, tapMissing } from '../../test/support/netns.ts';
import { frameWithHeader, PEER_BYTES, PEER_GPA, RemotePeer } from '../../test/support/remote-peer.ts';
import { VIRTIO_F_VERSION_1 } from '../abi/virtio-ring.ts';
import { type MbufVector, Mempool } from '../ethdev/mempool.ts';
import type { Port, PortConfig, PortStats } from '../ethdev/port.ts';
import { features } from '../virtio/features.ts';
import { ports, probePort } from './registry.ts';
import { openRxQueue, openTxQueue } from './table.ts';
import { openVhostPciPort } from './vhost-pci/driver.ts';

const QUEUES = 2;
const FRAME = 64;
const BURST = 32;

interface Bench {
  readonly port: Port;
  /** Makes a packet arrive on some queue; absent if packets arrive by themselves. */
  arrive?(): void;
  /** Makes room for packets on TX queue `queue`; absent if there is always room. */
  makeRoom?(queue: number, packets: number): void;
  /** Length of a frame that the peer can never accept; absent if there is none. */
  readonly tooLong?: number;
  close(): void;
}

const benches: readonly [string, () => Bench, string | false][] = [
  ['net_null', nullBench, false],
  ['net_tap', tapBench, tapMissing()],
  ['net_vhost_pci', vhostPciBench, false],
];

function nullBench(): Bench {
  const port = probePort(`net_null0,size=${FRAME}`);
  return { port, close: () => port.close() };
}

function tapBench(): Bench {
  const name = interfaceName();
  const port = probePort(`net_tap0,iface=${name},mac=02:00:00:00:00:09`);
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  const arrive = () => {
    // A static neighbour, so that the datagram leaves at once. Reconfiguration creates a new interface.
    ip('address', 'replace', '198.18.7.1/24', 'dev', name);
    ip('neighbour', 'replace', '198.18.7.2', 'lladdr', '02:00:00:00:00:0a', 'dev', name);
    execFileSync('bash', ['-c', 'echo x > /dev/udp/198.18.7.2/9']);
  };
  return { port, arrive, close: () => port.close() };
}

function vhostPciBench(): Bench {
  const RING = 16;
  const peer = new RemotePeer();
  const fake = new FakeVhostPci({ features: PEER_FEATURES | SESSION_FEATURES, queuePairs: QUEUES });
  const port = openVhostPciPort(() => fake, { id: 0, name: 'net_vhost_pci0', report: () => {} });
  fake.memoryBars.set(2, { fd: peer.fd, size: PEER_BYTES });
  fake.send(peerFeatures(features(VIRTIO_F_VERSION_1)));
  fake.send(placedMemory([{ gpa: PEER_GPA, size: BigInt(PEER_BYTES), offset: 0n }]));
  fake.send(remoteQueues(Array.from({ length: 2 * QUEUES }, (_, ring) => peer.ring(ring, RING))));
  fake.setLink(true);
  const posted = new Map<number, number>();
  const post = (ring: number, data: Uint8Array | null) => {
    const slot = posted.get(ring) ?? 0;
    posted.set(ring, slot + 1);
    peer.post(ring, RING, data, slot);
  };
  return {
    port,
    arrive: () => post(1, frameWithHeader(FRAME, 2)),
    makeRoom: (queue, packets) => {
      for (let i = 0; i < packets; i++) post(2 * queue, null);
    },
    tooLong: 4000,
    close: () => {
      port.close();
      peer.close();
    },
  };
}

describe.each(benches)('a port of %s', (_, open, missing) => {
  describe.skipIf(missing)('like every port', () => {
    let bench: Bench;
    let port: Port;
    let pool: Mempool;
    let pkts: MbufVector;

    beforeEach(() => {
      bench = open();
      port = bench.port;
      pool = new Mempool({ count: 256, dataRoom: 8192, hugepages: false });
      pkts = pool.vector(BURST);
      run({ rxQueues: QUEUES, txQueues: QUEUES });
    });
    afterEach(() => {
      bench.close();
      pool.close();
      for (const left of ports()) left.close();
    });

    function run(config: PortConfig): void {
      port.stop();
      port.configure(config);
      port.start();
    }

    function make(lengths: readonly number[]): void {
      expect(pool.alloc(pkts, lengths.length)).toBe(lengths.length);
      lengths.forEach((length, i) => {
        pool.dataLen[pkts.ids[i]] = length;
        pool.pktLen[pkts.ids[i]] = length;
      });
    }

    /** Sends a packet of each length on a queue and frees the rest; returns the number accepted. */
    function send(queue: number, lengths: readonly number[]): number {
      make(lengths);
      const taken = openTxQueue(port.txQueueSpec(queue)).burst(pkts, 0, lengths.length);
      pool.free(pkts, taken, lengths.length);
      return taken;
    }

    /** Sends three packets on every TX queue and receives at least one on some RX queue. */
    function pass(): void {
      for (let queue = 0; queue < port.config.txQueues; queue++) {
        bench.makeRoom?.(queue, 3);
        expect(send(queue, [FRAME, FRAME, FRAME])).toBe(3);
      }
      bench.arrive?.();
      const { ipackets } = port.stats();
      const rx = Array.from({ length: port.config.rxQueues }, (_, i) => openRxQueue(port.rxQueueSpec(i)));
      for (let tries = 0; port.stats().ipackets === ipackets; tries++) {
        expect(tries).toBeLessThan(1000);
        for (const queue of rx) pool.free(pkts, 0, queue.burst(pkts, BURST));
      }
    }

    /** No counter has decreased. */
    function expectNothingLost(before: PortStats): void {
      for (const [name, value] of Object.entries(port.stats()))
        expect([name, value]).toEqual([
          name,
          expect.toSatisfy((now: number) => now >= before[name as keyof PortStats]),
        ]);
    }

    it('regression: keeps counting when it gets fewer queues, and when it gets more again', () => {
      pass();
      let before = port.stats();
      expect(before.opackets).toBe(3 * QUEUES);
      for (const queues of [1, QUEUES, 1]) {
        port.stop();
        port.configure({ rxQueues: queues, txQueues: queues });
        expectNothingLost(before);
        port.start();
        expectNothingLost(before);
        pass();
        expect(port.stats().opackets).toBe(before.opackets + 3 * queues);
        expectNothingLost(before);
        before = port.stats();
      }
    });

    it('keeps counting across stop and start, and keeps its counters when it is closed', () => {
      pass();
      let before = port.stats();
      port.stop();
      expectNothingLost(before);
      port.start();
      pass();
      expect(port.stats().opackets).toBe(2 * before.opackets);
      run({ rxQueues: 1, txQueues: 1 });
      before = port.stats();
      port.close();
      expectNothingLost(before);
      port.close();
      expectNothingLost(before);
    });

    it('resets its counters on request, including those of queues no longer in use', () => {
      pass();
      run({ rxQueues: 1, txQueues: 1 });
      port.clearStats();
      const zero = Object.fromEntries(Object.keys(port.stats()).map((name) => [name, 0]));
      expect(port.stats()).toEqual(zero);
      run({ rxQueues: QUEUES, txQueues: QUEUES });
      expect(port.stats()).toEqual(zero);
      expect(port.xstats().get(`tx_q${QUEUES - 1}_packets`)).toBe(0);
      pass();
      expect(port.stats().opackets).toBe(3 * QUEUES);
      port.close();
      expect(port.stats().opackets).toBe(3 * QUEUES);
      port.clearStats();
      expect(port.stats()).toEqual(zero);
    });

    it('has the same totals in stats and xstats, and xstats of its current queues', () => {
      pass();
      run({ rxQueues: 1, txQueues: 1 });
      pass();
      const [stats, xstats] = [port.stats(), port.xstats()];
      expect(
        [
          'rx_good_packets',
          'tx_good_packets',
          'rx_good_bytes',
          'tx_good_bytes',
          'rx_errors',
          'tx_errors',
        ].map((name) => xstats.get(name)),
      ).toEqual([stats.ipackets, stats.opackets, stats.ibytes, stats.obytes, stats.ierrors, stats.oerrors]);
      expect([...xstats.keys()].filter((name) => name.startsWith('tx_q1_'))).toEqual([]);
      expect(xstats.get('tx_q0_packets')).toBe(6);
    });

    it('regression: stays closed: any further use throws VPCI_CLOSED', () => {
      port.close();
      const calls = [
        () => port.start(),
        () => port.configure({ rxQueues: 1, txQueues: 1 }),
        () => port.on('link', () => {}),
      ];
      for (const call of calls) expect(call).toThrow(expect.objectContaining({ code: 'VPCI_CLOSED' }));
      expect(port.started).toBe(false);
      port.stop();
    });

    it('sends each packet, or drops and counts it, or leaves it to the caller', () => {
      const long = bench.tooLong ?? FRAME;
      const lengths = [FRAME, long, 0, FRAME, long, FRAME, FRAME, FRAME];
      bench.makeRoom?.(0, 4);
      const taken = send(0, lengths);
      const { opackets, oerrors } = port.stats();
      expect(opackets + oerrors).toBe(taken);
      if (bench.tooLong) expect([taken, opackets, oerrors]).toEqual([7, 4, 3]);
      else expect(taken).toBe(lengths.length);
      expect(pool.available).toBe(pool.count);
    });

    it('accepts no packets while it is stopped', () => {
      const tx = openTxQueue(port.txQueueSpec(0));
      bench.makeRoom?.(0, 4);
      port.stop();
      make([FRAME, FRAME]);
      const taken = tx.burst(pkts, 0, 2);
      pool.free(pkts, taken, 2);
      expect(port.stats().opackets + port.stats().oerrors).toBe(taken);
      expect(pool.available).toBe(pool.count);
    });
  });
});
