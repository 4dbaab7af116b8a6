// SPDX-License-Identifier: BSD-3-Clause
// `set record-burst-stats`: queues that count their bursts by size. Only the queues of such a run are
// wrapped, so that no other counts.
import type { MbufVector } from '../../ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../ethdev/port.ts';
import { MAX_BURST } from '../settings.ts';

/** Sizes of bursts: 0 to the largest. */
export const BURST_SIZES = MAX_BURST + 1;
/** Counts of a stream: of its RX queue, then of its TX queue. */
export const BURST_COUNTS = 2 * BURST_SIZES;

/** The queues of a stream, counting in `counts`. The TX queue counts what it sends, as testpmd does. */
export function counting(rx: RxQueue, tx: TxQueue, counts: Float64Array): { rx: RxQueue; tx: TxQueue } {
  const received = counts.subarray(0, BURST_SIZES);
  const sent = counts.subarray(BURST_SIZES, BURST_COUNTS);
  return { rx: countingRx(rx, tx, received, sent), tx: countingTx(tx, sent) };
}

function countingRx(rx: RxQueue, tx: TxQueue, received: Float64Array, sent: Float64Array): RxQueue {
  return {
    interrupt: rx.interrupt,
    inPlace: rx.inPlace,
    burst(pkts, n) {
      const burst = rx.burst(pkts, n);
      received[burst]++;
      return burst;
    },
    relayTo: () => {
      const relay = rx.relayTo?.(tx) ?? null;
      if (relay === null) return null;
      return {
        burst(n) {
          const moved = relay.burst(n);
          if (moved >= 0) received[moved]++;
          if (moved > 0) sent[moved]++;
          return moved;
        },
      };
    },
  };
}

function countingTx(tx: TxQueue, sent: Float64Array): TxQueue {
  const { inPlace } = tx;
  const repeat = (pkts: MbufVector, length: number, n: number) => {
    const burst = inPlace?.repeat(pkts, length, n) ?? -1;
    if (burst >= 0) sent[burst]++;
    return burst;
  };
  return {
    inPlace: inPlace && (Object.create(inPlace, { repeat: { value: repeat } }) as typeof inPlace),
    burst(pkts, from, to) {
      const burst = tx.burst(pkts, from, to);
      sent[burst]++;
      return burst;
    },
  };
}
