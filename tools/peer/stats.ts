// SPDX-License-Identifier: BSD-3-Clause
// The peer's totals: sums of its driver queues' counters, kept across reconnects, and the lines that show
// them.
import { DRIVER_QUEUE_COUNTERS, type DriverQueueHandle, native } from '../../src/native.ts';

export interface PeerStats {
  txPackets: number;
  txBytes: number;
  rxPackets: number;
  rxBytes: number;
  badChecksum: number;
  outOfSequence: number;
  /** Frames that cannot come from the generator, or are too long to be sent back. */
  badFrame: number;
  /** Violations of the ring's rules by the back-end. */
  ringErrors: number;
  kicks: number;
  /** Frames that are expected back and in flight or lost: sent but not received. */
  missing: number;
  /** Those of them that cannot come back any more, because their connection has ended. */
  lost: number;
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
  lost: 0,
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

/** Number of frames that a queue has generated, which is the sequence number of the next one. */
export function framesSent(tx: DriverQueueHandle): number {
  return Number(new BigUint64Array(native.driverQueueStats(tx))[COUNTER.packets]);
}

/**
 * Counters of one queue pair; with `expectsBack`, frames that were sent but did not come back are missing.
 */
export function pairStats(rx: DriverQueueHandle, tx: DriverQueueHandle, expectsBack: boolean): PeerStats {
  const received = new BigUint64Array(native.driverQueueStats(rx));
  const sent = new BigUint64Array(native.driverQueueStats(tx));
  const read = (counters: BigUint64Array, name: keyof typeof COUNTER) => Number(counters[COUNTER[name]]);
  // The receive counters are read first: a frame counted there has already been counted as sent.
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
    lost: 0,
  };
}

/** Describes what is wrong with the traffic so far; undefined when all received frames were correct. */
export function faults(stats: Readonly<PeerStats>): string | undefined {
  const found = [
    [stats.badChecksum, 'with a bad checksum'],
    [stats.outOfSequence, 'out of sequence'],
    [stats.badFrame, 'that were not sent by this peer'],
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
    counts(now, [`in flight ${now.missing - now.lost}`, ...(now.lost > 0 ? [`lost ${now.lost}`] : [])]),
  ].join('   ');
}

/** Totals in one line, when no frame can come back any more. */
export const totals = (stats: Readonly<PeerStats>): string => counts(stats, [`lost ${stats.missing}`]);

function counts(stats: Readonly<PeerStats>, missing: readonly string[]): string {
  return [
    `sent ${stats.txPackets}`,
    `received ${stats.rxPackets}`,
    ...missing,
    `bad checksum ${stats.badChecksum}`,
    `out of sequence ${stats.outOfSequence}`,
    `bad frames ${stats.badFrame}`,
  ].join('  ');
}
