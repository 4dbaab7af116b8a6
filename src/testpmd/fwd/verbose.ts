// SPDX-License-Identifier: BSD-3-Clause
// `set verbose`: queues that print the packets which pass them. Only the queues of such a run are wrapped, so
// that no other looks at the setting. Packets go through mbufs, as relays and the peers' buffers are not
// offered.

import type { MbufVector } from '../../ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../ethdev/port.ts';
import { standardOutput } from '../../output/text-writer.ts';
import { packetText } from '../text/packet-text.ts';
import type { StreamPlan } from './engine.ts';

type Role = 'rx' | 'tx';

/** Where a queue is: testpmd numbers ports as the user does. */
interface Place {
  readonly port: number;
  readonly queue: number;
}

/** 1: received packets, 2: sent ones, more: both. */
function prints(verbose: number, role: Role): boolean {
  return verbose > 2 || verbose === (role === 'rx' ? 1 : 2);
}

function printingRx(queue: RxQueue, place: Place): RxQueue {
  return {
    interrupt: queue.interrupt,
    burst(pkts, n) {
      const received = queue.burst(pkts, n);
      if (received > 0) print(pkts, 0, received, 'rx', place);
      return received;
    },
  };
}

/** Prints before sending, since sent packets are freed. */
function printingTx(queue: TxQueue, place: Place): TxQueue {
  return {
    burst(pkts, from, to) {
      if (to > from) print(pkts, from, to, 'tx', place);
      return queue.burst(pkts, from, to);
    },
  };
}

function print(pkts: MbufVector, from: number, to: number, role: Role, { port, queue }: Place): void {
  const did = role === 'rx' ? 'received' : 'sent';
  const lines = [`port ${port}/queue ${queue}: ${did} ${to - from} packets`];
  for (let i = from; i < to; i++) lines.push(packetText(pkts.pool, pkts.ids[i], role, queue));
  standardOutput().stdout.line(lines.join('\n'));
}

/** The queues of a stream, in a run that prints. */
export function wrapped(
  verbose: number,
  plan: StreamPlan,
  rx: RxQueue,
  tx: TxQueue,
): { rx: RxQueue; tx: TxQueue } {
  return {
    rx: prints(verbose, 'rx') ? printingRx(rx, { port: plan.rxId, queue: plan.rxQueue }) : rx,
    tx: prints(verbose, 'tx') ? printingTx(tx, { port: plan.txId, queue: plan.txQueue }) : tx,
  };
}
