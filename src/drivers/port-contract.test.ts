// SPDX-License-Identifier: BSD-3-Clause
// The contract of every port driver, tested the same way for each: counters never decrease, and every packet
// is sent, or dropped and counted, or left to the caller. Calls and events: port-contract-calls.test.ts.
import { describe, expect, it } from 'vitest';
import type { PortStats } from '../ethdev/port.ts';
import { BURST, benches, FRAME, QUEUES, Stand } from './port-contract.test-help.ts';
import { drivers, openRxQueue, openTxQueue } from './table.ts';

it('the contract is tested for every driver', () => {
  expect(benches.map(([name]) => name)).toEqual(drivers.map(({ name }) => name));
});

describe.each(benches)('a port of %s', (_, open, missing) => {
  describe.skipIf(missing)('like every port', () => {
    const stand = new Stand(open);

    /** Sends three packets on every TX queue and receives at least one on some RX queue. */
    function pass(): void {
      for (let queue = 0; queue < stand.port.config.txQueues; queue++) {
        stand.bench.makeRoom?.(queue, 3);
        expect(stand.send(queue, [FRAME, FRAME, FRAME])).toBe(3);
      }
      stand.bench.arrive?.();
      const { ipackets } = stand.port.stats();
      const rx = Array.from({ length: stand.port.config.rxQueues }, (_, i) =>
        openRxQueue(stand.port.rxQueueSpec(i)),
      );
      for (let tries = 0; stand.port.stats().ipackets === ipackets; tries++) {
        expect(tries).toBeLessThan(1000);
        for (const queue of rx) stand.pool.free(stand.pkts, 0, queue.burst(stand.pkts, BURST));
      }
    }

    /** No counter has decreased. */
    function expectNothingLost(before: PortStats): void {
      for (const [name, value] of Object.entries(stand.port.stats()))
        expect([name, value]).toEqual([
          name,
          expect.toSatisfy((now: number) => now >= before[name as keyof PortStats]),
        ]);
    }

    it('regression: keeps counting when it gets fewer queues, and when it gets more again', () => {
      pass();
      let before = stand.port.stats();
      expect(before.opackets).toBe(3 * QUEUES);
      for (const queues of [1, QUEUES, 1]) {
        stand.port.stop();
        stand.port.configure({ rxQueues: queues, txQueues: queues });
        expectNothingLost(before);
        stand.port.start();
        stand.bench.settle?.();
        expectNothingLost(before);
        pass();
        expect(stand.port.stats().opackets).toBe(before.opackets + 3 * queues);
        expectNothingLost(before);
        before = stand.port.stats();
      }
    });

    it('keeps counting across stop and start, and keeps its counters when it is closed', () => {
      pass();
      let before = stand.port.stats();
      stand.port.stop();
      expectNothingLost(before);
      stand.port.start();
      stand.bench.settle?.();
      pass();
      expect(stand.port.stats().opackets).toBe(2 * before.opackets);
      stand.run({ rxQueues: 1, txQueues: 1 });
      before = stand.port.stats();
      stand.port.close();
      expectNothingLost(before);
      stand.port.close();
      expectNothingLost(before);
    });

    it('resets its counters on request, including those of queues no longer in use', () => {
      pass();
      stand.run({ rxQueues: 1, txQueues: 1 });
      stand.port.clearStats();
      const zero = Object.fromEntries(Object.keys(stand.port.stats()).map((name) => [name, 0]));
      expect(stand.port.stats()).toEqual(zero);
      stand.run({ rxQueues: QUEUES, txQueues: QUEUES });
      expect(stand.port.stats()).toEqual(zero);
      expect(stand.port.xstats().get(`tx_q${QUEUES - 1}_packets`)).toBe(0);
      pass();
      expect(stand.port.stats().opackets).toBe(3 * QUEUES);
      stand.port.close();
      expect(stand.port.stats().opackets).toBe(3 * QUEUES);
      stand.port.clearStats();
      expect(stand.port.stats()).toEqual(zero);
    });

    it('has the same totals in stats and xstats, and xstats of its current queues', () => {
      pass();
      stand.run({ rxQueues: 1, txQueues: 1 });
      pass();
      const [stats, xstats] = [stand.port.stats(), stand.port.xstats()];
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

    it('sends each packet, or drops and counts it, or leaves it to the caller', () => {
      const long = stand.bench.tooLong ?? FRAME;
      const lengths = [FRAME, long, 0, FRAME, long, FRAME, FRAME, FRAME];
      stand.bench.makeRoom?.(0, 4);
      const taken = stand.send(0, lengths);
      const { opackets, oerrors } = stand.port.stats();
      expect(opackets + oerrors).toBe(taken);
      if (stand.bench.makeRoom) expect([taken, opackets, oerrors]).toEqual([7, 4, 3]);
      else if (stand.bench.tooLong) expect([taken, opackets, oerrors]).toEqual([8, 5, 3]);
      else expect(taken).toBe(lengths.length);
      expect(stand.pool.available).toBe(stand.pool.count);
    });

    it('accepts no packets while it is stopped', () => {
      const tx = openTxQueue(stand.port.txQueueSpec(0));
      stand.bench.makeRoom?.(0, 4);
      stand.port.stop();
      stand.make([FRAME, FRAME]);
      const taken = tx.burst(stand.pkts, 0, 2);
      stand.pool.free(stand.pkts, taken, 2);
      expect(stand.port.stats().opackets + stand.port.stats().oerrors).toBe(taken);
      expect(stand.pool.available).toBe(stand.pool.count);
    });

    it('regression: a count beyond the capacity of the vector means the capacity', () => {
      const few = stand.pool.vector(4);
      for (const n of [5, 6, 4_294_967_295, Number.POSITIVE_INFINITY]) {
        expect(stand.pool.alloc(few, n)).toBeLessThanOrEqual(4);
        stand.pool.free(few, 0, n);
        expect(stand.pool.available).toBe(stand.pool.count);
      }
      for (let i = 0; i < 6; i++) stand.bench.arrive?.();
      const rx = Array.from({ length: QUEUES }, (_, i) => openRxQueue(stand.port.rxQueueSpec(i)));
      let received = 0;
      for (let tries = 0; received < 6; tries++) {
        expect(tries).toBeLessThan(1000);
        for (const queue of rx) {
          const n = queue.burst(few, 6);
          expect(n).toBeLessThanOrEqual(4);
          expect(stand.pool.available).toBe(stand.pool.count - n);
          stand.pool.free(few, 0, n);
          received += n;
        }
      }
      expect(stand.port.stats().ipackets).toBe(received);
      stand.bench.makeRoom?.(0, 8);
      expect(stand.pool.alloc(few, 4)).toBe(4);
      for (let i = 0; i < 4; i++) {
        stand.pool.dataLen[few.ids[i]] = FRAME;
        stand.pool.pktLen[few.ids[i]] = FRAME;
      }
      const tx = openTxQueue(stand.port.txQueueSpec(0));
      expect([tx.burst(few, 4, 9), tx.burst(few, 9, 12), tx.burst(few, 1, 9), tx.burst(few, 0, 1)]).toEqual([
        0, 0, 3, 1,
      ]);
      expect(stand.port.stats()).toMatchObject({ opackets: 4, obytes: 4 * FRAME });
      expect(stand.pool.available).toBe(stand.pool.count);
    });

    it('regression: a burst of no packets, or of what is no number, does nothing', () => {
      const rx = openRxQueue(stand.port.rxQueueSpec(0));
      const tx = openTxQueue(stand.port.txQueueSpec(0));
      stand.bench.makeRoom?.(0, 8);
      stand.make([FRAME, FRAME]);
      for (const none of [0, Number.NaN, undefined as unknown as number]) {
        expect([rx.burst(stand.pkts, none), tx.burst(stand.pkts, 0, none)]).toEqual([0, 0]);
      }
      stand.pool.free(stand.pkts, 0, 2);
      const { ipackets, ibytes, opackets, obytes, ierrors, oerrors, rxNombuf } = stand.port.stats();
      expect([ipackets, ibytes, opackets, obytes, ierrors, oerrors, rxNombuf]).toEqual([0, 0, 0, 0, 0, 0, 0]);
      expect(stand.pool.available).toBe(stand.pool.count);
    });

    it('regression: an identifier that is no mbuf of the pool is taken and counted in oerrors', () => {
      stand.bench.makeRoom?.(0, 3);
      stand.make([FRAME, FRAME, FRAME]);
      const [, lost] = stand.pkts.ids;
      stand.pkts.ids[1] = stand.pool.count;
      expect(openTxQueue(stand.port.txQueueSpec(0)).burst(stand.pkts, 0, 3)).toBe(3);
      expect(stand.port.stats()).toMatchObject({ opackets: 2, obytes: 2 * FRAME, oerrors: 1 });
      expect(stand.pool.available).toBe(stand.pool.count - 1);
      stand.pkts.ids[0] = lost;
      stand.pool.free(stand.pkts, 0, 1);
    });
  });
});
