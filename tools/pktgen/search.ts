// SPDX-License-Identifier: BSD-3-Clause
// The search for the highest rate that keeps to limits: no loss (NDR), or some (PDR). It knows nothing of
// ports: what it is given runs a trial at a rate.
//
// Two habits make it short. A device that drops what exceeds its capacity tells that capacity by what it lets
// through, so the first guess after a failure is what came back. And as a guess is then nearly right, the
// next one is a step beside it, and steps grow until they meet the other bound.

export interface Limits {
  /** Largest share of the sent frames that may be lost: 0 for NDR. */
  readonly loss: number;
  /** Largest share of the due frames that may be unsent. */
  readonly unsent: number;
  /** Largest 99th percentile of the latency, in nanoseconds; Infinity for none. */
  readonly latencyNs: number;
}

export interface SearchPlan {
  readonly limits: Limits;
  /** The rate at which it begins, frames per second. */
  readonly highest: number;
  /** Relative distance of the two bounds at which it ends. */
  readonly precision: number;
  /** Seconds after which no further trial begins. */
  readonly timeBound: number;
}

/** What a trial found. */
export interface Outcome {
  /** Frames that were due. */
  readonly offered: number;
  /** Frames that the queue accepted. */
  readonly sent: number;
  /** Due and never sent. */
  readonly unsent: number;
  /** Frames that came back. */
  readonly received: number;
  /** Sent and not back. */
  readonly lost: number;
  /** For which frames were due. */
  readonly seconds: number;
  /** 99th percentile of the latency, in nanoseconds; 0 if nothing came back. */
  readonly p99Ns: number;
  /** Calls of the queue that did not accept all frames. */
  readonly queueFull: number;
  /** The generator had lost its CPU, and that may be why frames are missing: a failure says little. */
  readonly disturbed: boolean;
}

/** Of a trial that did not take place. */
export const NOTHING: Outcome = {
  ...{ offered: 0, sent: 0, unsent: 0, received: 0, lost: 0, seconds: 1 },
  ...{ p99Ns: 0, queueFull: 0, disturbed: false },
};

/** A trial of a search. */
export interface Step extends Outcome {
  /** Frames per second that it was to send. */
  readonly pps: number;
  /** Why it failed; null if it kept to the limits. */
  readonly failure: string | null;
}

/** What a search found. */
export interface SearchResult {
  /** The highest rate that kept to the limits; null if none did. */
  readonly pps: number | null;
  /** The lowest rate that did not; null if the highest did. */
  readonly failed: number | null;
  /** The trials, in their order. */
  readonly steps: readonly Step[];
  /** False if the time bound or an interrupt ended it. */
  readonly complete: boolean;
  /** True if an interrupt ended it: Ctrl-C, or `before`. */
  readonly interrupted: boolean;
}

export interface SearchHooks {
  /** Called after each trial. */
  readonly report?: (step: Step) => void;
  /** Seconds. */
  readonly now?: () => number;
  /** Once true, the search ends, and the trial that it may have cut short does not count. */
  readonly interrupted?: () => boolean;
}

/**
 * Trials at one rate, while they fail and are disturbed; half as many at later rates each time that all were
 * in vain, as the machine is busy then and repeating says nothing. The share of the time left that they may
 * take.
 */
const ATTEMPTS = 8;
const ATTEMPTS_TIME = 0.25;
/** Below this share of the highest rate nothing is worth being found. */
const FLOOR = 1e-5;
/**
 * Below this share of it neither is anything, where all trials failed and were disturbed: the machine is
 * busy.
 */
const BUSY_FLOOR = 0.02;

export async function searchRate(
  plan: SearchPlan,
  trial: (pps: number) => Promise<Outcome>,
  hooks: SearchHooks = {},
): Promise<SearchResult> {
  const { report, now = () => performance.now() / 1000, interrupted = () => false } = hooks;
  const end = now() + plan.timeBound;
  const steps: Step[] = [];
  let attempts = ATTEMPTS;
  const attempt = async (pps: number): Promise<Step | undefined> => {
    const last = now() + ATTEMPTS_TIME * (end - now());
    for (let i = 1; ; i++) {
      const outcome = await trial(pps);
      if (interrupted()) return undefined;
      const step = { pps, ...outcome, failure: failureOf(outcome, plan.limits) };
      steps.push(step);
      report?.(step);
      if (step.failure === null || !outcome.disturbed || now() >= last) return step;
      if (i < attempts) continue;
      attempts = Math.max(1, attempts / 2);
      return step;
    }
  };
  const bounds = new Bounds(plan.highest, plan.precision);
  const isBusy = () =>
    bounds.next() < BUSY_FLOOR * plan.highest &&
    steps.every((step) => step.disturbed && step.failure !== null);
  while (!bounds.closed && !isBusy() && (steps.length === 0 || now() < end)) {
    const step = await attempt(bounds.next());
    if (step === undefined) break;
    bounds.take(step);
  }
  const { low, failed } = bounds;
  const complete = bounds.closed || isBusy();
  return { pps: low || null, failed, steps, complete, interrupted: !complete && interrupted() };
}

export interface Doubts {
  /** How many trials were disturbed. */
  readonly disturbed: number;
  /** False if, of the trials that failed at rates at which none passed, most were disturbed. */
  readonly reliable: boolean;
}

/** A rate that passed has passed, whatever disturbed the trial; one that failed may have failed by that. */
export function doubtsOf({ steps }: Pick<SearchResult, 'steps'>): Doubts {
  const disturbed = steps.filter((step) => step.disturbed).length;
  const passed = new Set(steps.filter(({ failure }) => failure === null).map(({ pps }) => pps));
  const failed = steps.filter(({ failure, pps }) => failure !== null && !passed.has(pps));
  const doubtful = failed.filter((step) => step.disturbed).length;
  return { disturbed, reliable: 2 * doubtful <= failed.length };
}

/** The interval in which the rate lies, and the next guess. */
class Bounds {
  low = 0;
  failed: number | null = null;
  readonly #highest: number;
  readonly #precision: number;
  #guess: number;
  /** Relative size of the next step beside a bound that is thought to be nearly right. */
  #step: number;

  constructor(highest: number, precision: number) {
    this.#highest = highest;
    this.#precision = precision;
    this.#guess = highest;
    this.#step = precision;
  }

  get closed(): boolean {
    if (this.failed === null) return this.low >= this.#highest;
    return this.failed - this.low <= this.#precision * this.failed || this.failed < FLOOR * this.#highest;
  }

  next(): number {
    return this.#guess;
  }

  take({ pps, failure, received, seconds }: Step): void {
    if (failure === null) {
      this.low = Math.max(this.low, pps);
      this.#guess = this.#beside(this.low * (1 + 0.9 * this.#step));
    } else {
      const first = this.failed === null;
      this.failed = Math.min(this.failed ?? Number.POSITIVE_INFINITY, pps);
      const through = (received / seconds) * (1 - this.#precision / 4);
      this.#guess = this.#beside(first ? through : pps * (1 - 0.9 * this.#step));
      if (first) return;
    }
    this.#step *= 4;
  }

  /** A guess between the bounds; their middle, where it would not be. */
  #beside(guess: number): number {
    const high = this.failed ?? this.#highest;
    if (this.failed === null) return high;
    return guess > this.low && guess < high ? guess : (this.low + high) / 2;
  }
}

export function failureOf(outcome: Outcome, limits: Limits): string | null {
  const { sent, offered, lost, unsent, p99Ns } = outcome;
  if (sent === 0) return 'nothing was sent';
  if (lost > limits.loss * sent) return `lost ${lost}`;
  if (unsent > limits.unsent * offered) return `${causeOf(outcome)}: unsent ${unsent}`;
  if (p99Ns > limits.latencyNs) return `p99 ${(p99Ns / 1000).toFixed(1)} us`;
  return null;
}

/** Why frames were unsent. A loop that was away has much to send at once, and finds the queue full too. */
function causeOf({ disturbed, queueFull }: Outcome): string {
  if (disturbed) return 'generator had lost its CPU';
  return queueFull > 0 ? 'queue full' : 'generator too late';
}
