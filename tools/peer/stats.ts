// SPDX-License-Identifier: BSD-3-Clause
// The peer's totals: sums of its driver queues' counters, kept over reconnects, and the lines that show them.
import { DRIVER_QUEUE_COUNTERS, type DriverQueueHandle, native } from '../../src/native.ts';

export interface PeerStats {
  txPackets: number;
  txBytes: number;
  rxPackets: number;
  rxBytes: number;
  badChecksum: number;
  outOfSequence: number;
  /** Frames that cannot be the generator's, or that are too long to be sent back. */
  badFrame: number;
  /** Rules of the ring that the back-end broke. */
  ringErrors: number;
  kicks: number;
  /** Frames that are expected back and on their way or lost: sent and not received. */
  missing: number;
}

export const noStats = (): PeerStats => ({
  txPackets: 0,
  txBytes: 0,
  rxPackets: 0,
  rxBytes: 0,
  badChecksum: 0,
  outOfSequence: 0,
  badFrame: 0,
  ringErrors: 0,
  kicks: 0,
  missing: 0,
});

/** Adds `more` to `sum`. */
export function addStats(sum: PeerStats, more: Readonly<PeerStats>): PeerStats {
  for (const key of Object.keys(sum) as (keyof PeerStats)[]) sum[key] += more[key];
  return sum;
}

const COUNTER = Object.fromEntries(DRIVER_QUEUE_COUNTERS.map((name, index) => [name, index])) as Record<
  (typeof DRIVER_QUEUE_COUNTERS)[number],
  number
>;

/** Frames that a queue has generated: the sequence number of its next one. */
export function framesSent(tx: DriverQueueHandle): number {
  return Number(new BigUint64Array(native.driverQueueStats(tx))[COUNTER.packets]);
}

/** Counters of one queue pair; `expectsBack` says that what was sent and did not come back is missing. */
export function pairStats(rx: DriverQueueHandle, tx: DriverQueueHandle, expectsBack: boolean): PeerStats {
  const received = new BigUint64Array(native.driverQueueStats(rx));
  const sent = new BigUint64Array(native.driverQueueStats(tx));
  const read = (counters: BigUint64Array, name: keyof typeof COUNTER) => Number(counters[COUNTER[name]]);
  // Received first: a frame that is counted there has been counted as sent.
  const rxPackets = read(received, 'packets');
  const txPackets = read(sent, 'packets');
  return {
    txPackets,
    txBytes: read(sent, 'bytes'),
    rxPackets,
    rxBytes: read(received, 'bytes'),
    badChecksum: read(received, 'bad_checksum'),
    outOfSequence: read(received, 'out_of_sequence'),
    badFrame: read(received, 'bad_frame'),
    ringErrors: read(received, 'ring_errors') + read(sent, 'ring_errors'),
    kicks: read(received, 'kicks') + read(sent, 'kicks'),
    missing: expectsBack ? Math.max(0, txPackets - rxPackets) : 0,
  };
}

/** What is wrong with the traffic so far, in words; undefined when all that came was right. */
export function faults(stats: Readonly<PeerStats>): string | undefined {
  const found = [
    [stats.badChecksum, 'with a bad checksum'],
    [stats.outOfSequence, 'out of sequence'],
    [stats.badFrame, 'that cannot be ours'],
    [stats.ringErrors, 'refused because the back-end broke the rules of the ring'],
  ] as const;
  const words = found.filter(([count]) => count > 0).map(([count, what]) => `${count} frames ${what}`);
  return words.length > 0 ? words.join(', ') : undefined;
}

/** One line of periodic statistics; `before` was taken `seconds` earlier. */
export function periodLine(now: Readonly<PeerStats>, before: Readonly<PeerStats>, seconds: number): string {
  const mpps = (packets: number): string => (packets / seconds / 1e6).toFixed(3).padStart(7);
  return [
    `tx ${mpps(now.txPackets - before.txPackets)} Mpps`,
    `rx ${mpps(now.rxPackets - before.rxPackets)} Mpps`,
    totals(now, 'on the way'),
  ].join('   ');
}

/** Totals in one line. What is missing may come yet while traffic flows, and is lost after it. */
export function totals(stats: Readonly<PeerStats>, missing: 'on the way' | 'lost' = 'lost'): string {
  return [
    `sent ${stats.txPackets}`,
    `received ${stats.rxPackets}`,
    `${missing} ${stats.missing}`,
    `bad checksum ${stats.badChecksum}`,
    `out of sequence ${stats.outOfSequence}`,
    `bad frames ${stats.badFrame}`,
  ].join('  ');
}
