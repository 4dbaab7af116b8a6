// SPDX-License-Identifier: BSD-3-Clause
// Receive and transmit for all engines: statistics, retries, and freeing of packets that were not accepted.
import { ticksOf } from '../../lcore/ticks.ts';
import { native } from '../../native.ts';
import { type FwdStream, STREAM_DROPPED, STREAM_RX, STREAM_TX } from './engine.ts';

/** HOT. Receives a burst into `stream.pkts`; returns the number of packets. */
export function streamReceive(stream: FwdStream): number {
  const n = stream.rx.burst(stream.pkts, stream.run.burst);
  stream.counters[STREAM_RX] += n;
  return n;
}

/** HOT. Sends `stream.pkts[0..n)`; packets not accepted, even after the retries if enabled, are dropped. */
export function streamTransmit(stream: FwdStream, n: number): void {
  let sent = stream.tx.burst(stream.pkts, 0, n);
  if (sent < n && stream.run.retries > 0) sent = retry(stream, sent, n);
  stream.counters[STREAM_TX] += sent;
  if (sent < n) streamDrop(stream, sent, n);
}

/** HOT. Frees `stream.pkts[from..to)` and counts them as dropped. */
export function streamDrop(stream: FwdStream, from: number, to: number): void {
  stream.counters[STREAM_DROPPED] += to - from;
  stream.pool.free(stream.pkts, from, to);
}

/** Microseconds for which retries go on after a stop: those of usual settings end as in testpmd. */
const STOP_PATIENCE = 10_000;

function retry(stream: FwdStream, first: number, n: number): number {
  let sent = first;
  const pause = Math.round(ticksOf(stream.run.retryDelay));
  const patience = ticksOf(STOP_PATIENCE);
  native.tscLap();
  for (let tries = 0, due = pause, spent = 0; sent < n && tries < stream.run.retries; tries++) {
    do {
      spent += native.tscLap();
      // Their number and the delay may be hours together: a stop need not wait for them.
      if (spent > patience && !stream.running()) return sent;
    } while (spent < due);
    sent += stream.tx.burst(stream.pkts, sent, n);
    due = spent + pause;
  }
  return sent;
}
