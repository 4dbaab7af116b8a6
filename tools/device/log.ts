// SPDX-License-Identifier: BSD-3-Clause
// One line per event, rate-limited: peers and drivers choose how often something happens.
//
// Lines that differ only in their numbers are of one kind. The first few of a kind are written at once, later
// ones as its rate allows. Suppressed lines are counted, and the count is written periodically.
import { after, type Timer } from '../socket/guard.ts';

export interface Log {
  /** Something a user should know. */
  event(message: string): void;
  /** Every message of both protocols, for -v. */
  trace(message: string): void;
  /** Writes the counts that are due. */
  close(): void;
}

/** Lines of a kind that may be written at once, and how many per second after that. */
interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

const EVENTS: Rate = { burst: 10, perSecond: 0.5 };
const TRACES: Rate = { burst: 100, perSecond: 20 };
const SUMMARY_MS = 10_000;
/** More than this program has messages; any further kinds share one entry. */
const MAX_KINDS = 128;
const MAX_LINE = 400;
const OTHERS = 'lines of other kinds';

class Kind {
  readonly #rate: Rate;
  #tokens: number;
  #filled = performance.now();
  leftOut = 0;
  /** Time of the first suppressed line that has not been reported in a count yet. */
  since = 0;
  /** The last suppressed line. */
  last = '';

  constructor(rate: Rate) {
    this.#rate = rate;
    this.#tokens = rate.burst;
  }

  /** Whether this line may be written. */
  take(line: string): boolean {
    const now = performance.now();
    this.#tokens = Math.min(
      this.#rate.burst,
      this.#tokens + ((now - this.#filled) / 1000) * this.#rate.perSecond,
    );
    this.#filled = now;
    if (this.#tokens >= 1) {
      this.#tokens--;
      return true;
    }
    if (this.leftOut++ === 0) this.since = now;
    this.last = line;
    return false;
  }
}

class LimitedLog implements Log {
  readonly trace: (message: string) => void;
  readonly #write: (line: string) => void;
  readonly #kinds = new Map<string, Kind>();
  #timer: Timer | null = null;

  constructor(write: (line: string) => void, verbose: boolean) {
    this.#write = write;
    this.trace = verbose ? (message) => this.#line(message, TRACES) : () => {};
  }

  event(message: string): void {
    this.#line(message, EVENTS);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const [name, kind] of this.#kinds) this.#summarize(name === OTHERS ? OTHERS : kind.last, kind);
  }

  #line(message: string, rate: Rate): void {
    const text = printable(message);
    const name = text.replace(/0x[0-9a-f]+|\d+/gi, 'N');
    if (this.#kind(name, rate).take(text)) this.#write(text);
    else this.#timer ??= after(SUMMARY_MS, () => this.close(), lost);
  }

  #kind(name: string, rate: Rate): Kind {
    const full = this.#kinds.size >= MAX_KINDS && !this.#kinds.has(name);
    const key = full ? OTHERS : name;
    const kind = this.#kinds.get(key) ?? new Kind(rate);
    this.#kinds.set(key, kind);
    return kind;
  }

  #summarize(line: string, kind: Kind): void {
    if (kind.leftOut === 0) return;
    const seconds = Math.ceil((performance.now() - kind.since) / 1000);
    this.#write(`${kind.leftOut.toLocaleString('en')} more like this in ${seconds} s: ${line}`);
    kind.leftOut = 0;
  }
}

/** Writing the log itself failed: there is nowhere left to report it. */
function lost(): void {}

export function logTo(write: (line: string) => void, verbose: boolean): Log {
  return new LimitedLog(write, verbose);
}

/** Puts a name before the lines of one of several sockets. */
export function labelled(log: Log, label: string): Log {
  return {
    event: (message) => log.event(`${label}: ${message}`),
    trace: (message) => log.trace(`${label}: ${message}`),
    close: () => log.close(),
  };
}

/** A peer chooses some of the text: strips control characters and newlines, and bounds the length. */
function printable(message: string): string {
  const text = message.slice(0, MAX_LINE + 1).replace(/[^\x20-\x7e]/g, '?');
  return text.length > MAX_LINE ? `${text.slice(0, MAX_LINE - 3)}...` : text;
}
