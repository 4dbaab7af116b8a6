// SPDX-License-Identifier: BSD-3-Clause
// The peer's poll loop: what one thread does with its queue pairs until it is told to stop. Allocates nothing per burst.
// In mode 'both' at most `window` frames are on their way at a time, so that the receive ring can take all that comes back and
// a missing frame is a loss of the other side, not of ours.
import type { LcoreMain } from '../../src/lcore/context.ts';
import { type DriverQueueHandle, native } from '../../src/native.ts';

/** 'both' generates and checks what comes back; 'generate' only sends; 'sink' only receives; 'echo' sends back what it receives. */
export const PEER_MODES = ['both', 'generate', 'echo', 'sink'] as const;
export type PeerMode = (typeof PEER_MODES)[number];

/** Plain data: it travels to the worker thread. */
export interface TrafficPlan {
  readonly pairs: readonly {
    readonly rx: DriverQueueHandle;
    readonly tx: DriverQueueHandle;
    readonly mode: PeerMode;
    /** Frames to send; Infinity for no end. */
    readonly count: number;
  }[];
  readonly burst: number;
  /** Check sequence and checksum of what is received. */
  readonly check: boolean;
  /** Frames on their way at most in mode 'both'; Infinity for no limit. */
  readonly window: number;
  /** Milliseconds without a frame after which those on their way are lost. */
  readonly patienceMs: number;
  /** Two words, see CONTROL_*. */
  readonly control: SharedArrayBuffer;
}

/** Control word, main thread to loop: 1 = send no more, only take what comes back. */
export const CONTROL_DRAIN = 0;
/** Control word, loop to main thread: 1 = nothing to send is left, and all came back or is lost. */
export const CONTROL_DONE = 1;
export const CONTROL_WORDS = 2;

/** The clock is read once in so many idle rounds. */
const CLOCK_ROUNDS = 256;

interface PairState {
  readonly rx: DriverQueueHandle;
  readonly tx: DriverQueueHandle;
  readonly mode: PeerMode;
  /** Frames still to send. */
  left: number;
  /** Frames on their way. */
  away: number;
}

export function runTraffic(plan: TrafficPlan, running: () => boolean): void {
  const control = new Int32Array(plan.control);
  const pairs: PairState[] = plan.pairs.map((pair) => ({ ...pair, left: pair.count, away: 0 }));
  const limited = plan.pairs.some(({ count }) => count !== Number.POSITIVE_INFINITY);
  let idleRounds = 0;
  let idleSince = performance.now();
  while (running()) {
    const drain = Atomics.load(control, CONTROL_DRAIN) !== 0;
    let moved = 0;
    for (const pair of pairs) moved += round(plan, pair, drain);
    if (moved > 0) {
      idleRounds = 0;
      idleSince = 0;
    } else if (idleRounds++ % CLOCK_ROUNDS === 0) {
      // 0 marks "moved since the clock was read": the time of the last frame is known to a few microseconds only.
      if (idleSince === 0) idleSince = performance.now();
      else if (performance.now() - idleSince > plan.patienceMs) for (const pair of pairs) pair.away = 0;
    }
    if ((drain || limited) && allFinished(pairs, drain)) Atomics.store(control, CONTROL_DONE, 1);
  }
}

/** One burst each way on one pair; returns the frames that moved. */
function round(plan: TrafficPlan, pair: PairState, drain: boolean): number {
  if (pair.mode === 'echo') return drain ? 0 : native.driverEcho(pair.rx, pair.tx, plan.burst);
  let sent = 0;
  if (!drain && pair.mode !== 'sink') {
    const both = pair.mode === 'both';
    const room = Math.min(plan.burst, pair.left, both ? plan.window - pair.away : plan.burst);
    if (room > 0) sent = native.driverGenerate(pair.tx, room);
    pair.left -= sent;
    if (both) pair.away += sent;
  }
  const received = pair.mode === 'generate' ? 0 : native.driverReceive(pair.rx, plan.burst, plan.check);
  // Frames that were given up may come after all.
  if (received > 0) pair.away = Math.max(0, pair.away - received);
  return sent + received;
}

function allFinished(pairs: readonly PairState[], drain: boolean): boolean {
  for (const pair of pairs) if (pair.away > 0 || (pair.left > 0 && !drain)) return false;
  return true;
}

/** The lcore's module. */
const main: LcoreMain<TrafficPlan> = (lcore) => runTraffic(lcore.data, () => lcore.running());
export default main;
