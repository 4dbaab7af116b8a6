// SPDX-License-Identifier: BSD-3-Clause
// The peer's poll loop: one thread works its queue pairs until it is stopped. Allocates nothing per burst.
// Where frames are expected back, at most `window` frames are in flight, so that the receive ring can take
// everything that comes back and a missing frame was lost by the other side, not by us.
import type { LcoreMain } from '../../src/lcore/context.ts';
import { type DriverQueueHandle, native } from '../../src/native.ts';
import { DropAbove } from './drop-above.ts';
import { type LatencyPlan, LatencyProbe } from './latency-probe.ts';
import { framesSent } from './stats.ts';

/**
 * 'both' generates frames and checks what comes back; 'latency' does so at a fixed rate and records the
 * times; 'generate' only sends; 'sink' only receives; 'echo' sends back what it receives.
 */
export const PEER_MODES = ['both', 'latency', 'generate', 'echo', 'sink'] as const;
export type PeerMode = (typeof PEER_MODES)[number];

/** Whether sent frames are expected back. */
export const expectsBack = (mode: PeerMode): boolean => mode === 'both' || mode === 'latency';

/** Plain data: it is passed to the worker thread. */
export interface TrafficPlan {
  readonly pairs: readonly {
    readonly rx: DriverQueueHandle;
    readonly tx: DriverQueueHandle;
    readonly mode: PeerMode;
    /** Frames to send; Infinity for no limit. */
    readonly count: number;
  }[];
  readonly burst: number;
  /** Check sequence and checksum of received frames. */
  readonly check: boolean;
  /** Most frames in flight where they are expected back; Infinity for no limit. */
  readonly window: number;
  /** Milliseconds without a frame after which those in flight are lost. */
  readonly patienceMs: number;
  /** For pairs in mode 'latency'. */
  readonly latency?: LatencyPlan;
  /** Mode 'echo': frames per second, over all pairs of the loop, above which frames are dropped. */
  readonly dropAbove?: number;
  /** Two words, see CONTROL_*. */
  readonly control: SharedArrayBuffer;
}

/** Control word, main thread to loop: 1 = stop sending, only receive what comes back. */
export const CONTROL_DRAIN = 0;
/** Control word, loop to main thread: 1 = nothing left to send, and all frames came back or are lost. */
export const CONTROL_DONE = 1;
export const CONTROL_WORDS = 2;

/** Idle rounds between two reads of the clock. */
const CLOCK_ROUNDS = 256;

interface PairState {
  readonly rx: DriverQueueHandle;
  readonly tx: DriverQueueHandle;
  readonly mode: PeerMode;
  readonly probe: LatencyProbe | undefined;
  /** Frames still to send. */
  left: number;
  /** Frames in flight. */
  away: number;
}

export function runTraffic(plan: TrafficPlan, running: () => boolean): void {
  const control = new Int32Array(plan.control);
  const pairs: PairState[] = plan.pairs.map((pair) => ({
    ...pair,
    probe: probeFor(plan, pair),
    left: pair.count,
    away: 0,
  }));
  const limit = plan.dropAbove === undefined ? null : new DropAbove(plan.dropAbove);
  const limited = plan.pairs.some(({ count }) => count !== Number.POSITIVE_INFINITY);
  let idleRounds = 0;
  let idleSince = performance.now();
  while (running()) {
    const drain = Atomics.load(control, CONTROL_DRAIN) !== 0;
    let moved = 0;
    for (const pair of pairs) moved += round(plan, pair, drain, limit);
    if (moved > 0) {
      idleRounds = 0;
      idleSince = 0;
    } else if (++idleRounds % CLOCK_ROUNDS === 0) {
      // 0 marks "moved since the clock was read": the time of the last frame is only known to a few
      // microseconds.
      if (idleSince === 0) idleSince = performance.now();
      else if (performance.now() - idleSince > plan.patienceMs) for (const pair of pairs) pair.away = 0;
    }
    if ((drain || limited) && allFinished(pairs, drain)) Atomics.store(control, CONTROL_DONE, 1);
  }
}

/** One burst each way on one pair; returns the frames that moved. */
function round(plan: TrafficPlan, pair: PairState, drain: boolean, limit: DropAbove | null): number {
  if (pair.mode === 'echo' && limit) return drain ? 0 : echoLimited(plan, pair, limit);
  if (pair.mode === 'echo') return drain ? 0 : native.driverEcho(pair.rx, pair.tx, plan.burst);
  const sent = drain || pair.mode === 'sink' ? 0 : send(plan, pair);
  return sent + (pair.mode === 'generate' ? 0 : receive(plan, pair));
}

/** Sends back what the limit allows; what comes beyond is received and dropped. */
function echoLimited({ burst }: TrafficPlan, { rx, tx }: PairState, limit: DropAbove): number {
  const allowed = limit.allowed(burst);
  if (allowed === 0) return native.driverReceive(rx, burst, false);
  const sent = native.driverEcho(rx, tx, allowed);
  limit.take(sent);
  return sent;
}

function send({ burst, window }: TrafficPlan, pair: PairState): number {
  const back = expectsBack(pair.mode);
  const wanted = pair.probe ? Math.min(burst, pair.probe.due()) : burst;
  const room = Math.min(wanted, pair.left, back ? window - pair.away : burst);
  if (room <= 0) return 0;
  const sent = native.driverGenerate(pair.tx, room);
  pair.left -= sent;
  pair.probe?.sent(sent);
  if (back) pair.away += sent;
  return sent;
}

function receive({ burst, check }: TrafficPlan, pair: PairState): number {
  const { probe } = pair;
  const received = probe ? probe.receive(burst, check) : native.driverReceive(pair.rx, burst, check);
  if (received > 0) {
    // Frames that were given up may still arrive. Foreign frames count too: they must not make us wait
    // indefinitely.
    const away = Math.max(0, pair.away - received);
    pair.away = probe ? Math.min(away, probe.away()) : away;
  }
  return received;
}

function probeFor(
  plan: TrafficPlan,
  { rx, tx, mode }: TrafficPlan['pairs'][number],
): LatencyProbe | undefined {
  return mode === 'latency' && plan.latency ? new LatencyProbe(plan.latency, rx, framesSent(tx)) : undefined;
}

function allFinished(pairs: readonly PairState[], drain: boolean): boolean {
  for (const pair of pairs) if (pair.away > 0 || (pair.left > 0 && !drain)) return false;
  return true;
}

/** The lcore's module. */
const main: LcoreMain<TrafficPlan> = (lcore) => runTraffic(lcore.data, () => lcore.running());
export default main;
