// SPDX-License-Identifier: BSD-3-Clause
// How many frames went and came over the time of a run, in as much memory however long it lasts.

/** The counts at one moment since the run began. */
export interface Progress {
  readonly seconds: number;
  readonly sent: number;
  readonly received: number;
}

/** Rates from the end of the period before, or the beginning, to `seconds`. */
export interface PeriodRates {
  readonly seconds: number;
  readonly sentPps: number;
  /** Null where nothing is expected back. */
  readonly receivedPps: number | null;
}

/** Seconds of the first periods; they are twice as long each time that there are too many of them. */
const FIRST_PERIOD = 0.25;
const MOST_PERIODS = 480;

export class Timeline {
  #moments: Progress[] = [];
  #period = FIRST_PERIOD;

  /** Takes the counts, if it is time for that. */
  take(now: Progress): void {
    if (now.seconds - this.#last.seconds < this.#period) return;
    this.#moments.push(now);
    if (this.#moments.length < MOST_PERIODS) return;
    this.#moments = this.#moments.filter((_, i) => i % 2 === 1);
    this.#period *= 2;
  }

  /** The rates, up to the final counts: a short rest belongs to the last period. */
  rates(final: Progress, returns: boolean): PeriodRates[] {
    const isRest = final.seconds - this.#last.seconds < this.#period / 2;
    const moments = isRest ? this.#moments.slice(0, -1) : this.#moments;
    let before = BEGIN;
    return [...moments, final].flatMap((now) => {
      const { seconds, sent, received } = before;
      before = now;
      const lasted = now.seconds - seconds;
      if (!(lasted > 0)) return [];
      const receivedPps = returns ? (now.received - received) / lasted : null;
      return [{ seconds: now.seconds, sentPps: (now.sent - sent) / lasted, receivedPps }];
    });
  }

  get #last(): Progress {
    return this.#moments.at(-1) ?? BEGIN;
  }
}

const BEGIN: Progress = { seconds: 0, sent: 0, received: 0 };
