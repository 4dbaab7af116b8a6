// SPDX-License-Identifier: BSD-3-Clause
// Rates and streams that are changed while frames are sent, and what was changed when.
import { fault } from './plan/fault.ts';
import { rateText } from './plan/rate.ts';
import type { Workload } from './workload.ts';

/** A change while frames were sent. */
export interface Change {
  /** Since the run began. */
  readonly seconds: number;
  readonly change: string;
  /** Its name; null for all. */
  readonly stream: string | null;
  /** Frames per second of the stream, or of all, from then on; null: as many as the queue accepts. */
  readonly pps: number | null;
}

export interface ControlParts {
  readonly workload: Workload;
  /** Makes the lcore send at these rates. */
  readonly apply: (pps: readonly number[]) => void;
  /** Seconds since the run began. */
  readonly now: () => number;
  /** Why no rate may be set, if so. */
  readonly fixed?: string | undefined;
  /** Called for each change. */
  readonly report?: (change: Change) => void;
}

/** Changes that are kept; later ones are made as well. */
const MOST_CHANGES = 1000;
/** Of what was asked for at first. */
const [LEAST_FACTOR, MOST_FACTOR] = [0.001, 1000];

export class RateControl {
  readonly changes: Change[] = [];
  readonly #parts: ControlParts;
  readonly #names: readonly string[];
  readonly #stopped: boolean[];
  /** Of each stream's rate, beside that of all. */
  readonly #factors: number[];
  #factor = 1;

  constructor(parts: ControlParts) {
    this.#parts = parts;
    this.#names = parts.workload.streams.map(({ name }) => name);
    this.#stopped = this.#names.map(() => false);
    this.#factors = this.#names.map(() => 1);
  }

  get streams(): readonly string[] {
    return this.#names;
  }

  /** By which all rates were multiplied since they were set. */
  get factor(): number {
    return this.#factor;
  }

  isStopped(stream: number): boolean {
    return this.#stopped[stream] ?? false;
  }

  /** The numbers of the streams that are stopped. */
  get stopped(): number[] {
    return this.#stopped.flatMap((off, i) => (off ? [i] : []));
  }

  /** Frames per second of each stream; 0 of one that is stopped. */
  pps(): number[] {
    return this.#parts.workload
      .pps()
      .map((pps, i) => (this.#stopped[i] ? 0 : pps * this.#factor * (this.#factors[i] as number)));
  }

  /** The number of a stream that is named by its name, or by its number, as text too. Throws one line. */
  find(stream: string | number): number {
    const asked = String(stream);
    const named = this.#names.indexOf(asked);
    if (named >= 0 && typeof stream !== 'number') return named;
    const number = /^\d+$/.test(asked) ? Number(asked) : -1;
    if (number >= 0 && number < this.#names.length) return number;
    throw fault('stream', `'${asked}' is none of the streams: ${namesText(this.#names.map(numbered))}`);
  }

  /** Another rate of one stream, or of those without one of their own. Throws one line. */
  setRate(rate: string | number, stream?: number): void {
    const { workload, fixed } = this.#parts;
    if (fixed !== undefined) throw fault('rate', fixed);
    workload.setRate(rate, stream);
    if (stream === undefined) {
      const sharing = new Set(workload.sharing);
      this.#factors.forEach((own, i) => {
        this.#factors[i] = sharing.has(i) ? 1 : own * this.#factor;
      });
      this.#factor = 1;
    } else this.#factors[stream] = 1 / this.#factor;
    this.#change(stream, 'rate');
  }

  /** A rate so many times that of now, within bounds. */
  multiply(by: number, stream?: number): void {
    const before = stream === undefined ? this.#factor : (this.#factors[stream] as number);
    const after = Math.min(MOST_FACTOR, Math.max(LEAST_FACTOR, before * by));
    if (stream === undefined) this.#factor = after;
    else this.#factors[stream] = after;
    this.#change(stream, `rate x ${after.toFixed(2)}`);
  }

  /** Throws one line where the stream, or every stream, is stopped. */
  stop(stream?: number): void {
    this.#turn(true, stream);
  }

  /** Throws one line where the stream, or every stream, is sent. */
  start(stream?: number): void {
    this.#turn(false, stream);
  }

  #turn(off: boolean, stream: number | undefined): void {
    const which = this.#names.map((_, i) => i).filter((i) => stream === undefined || i === stream);
    const word = off ? 'stopped' : 'started';
    if (which.every((i) => this.#stopped[i] === off))
      throw fault(
        'stream',
        `${stream === undefined ? 'all streams are' : `'${this.#names[stream]}' is`} ${word} already`,
      );
    for (const i of which) this.#stopped[i] = off;
    this.#change(stream, word);
  }

  #change(stream: number | undefined, what: string): void {
    const { apply, now, report } = this.#parts;
    const all = this.pps();
    apply(all);
    const pps = stream === undefined ? all.reduce((sum, one) => sum + one, 0) : (all[stream] as number);
    const name = stream === undefined ? null : (this.#names[stream] as string);
    const rate = Number.isFinite(pps) ? rateText(pps) : 'as many as the queue accepts';
    const words =
      what === 'stopped' || (stream !== undefined && this.isStopped(stream)) ? what : `${what}: ${rate}`;
    const change = {
      seconds: now(),
      change: `${name === null ? 'all streams' : `stream ${name}`}: ${words}`,
      stream: name,
      pps: Number.isFinite(pps) ? pps : null,
    };
    if (this.changes.length < MOST_CHANGES) this.changes.push(change);
    report?.(change);
  }
}

/** "0 (voice)"; "1" without a name. */
const numbered = (name: string, i: number): string => (name === String(i) ? name : `${i} (${name})`);

export const namesText = (names: readonly string[]): string =>
  names.length > 8 ? `${names.slice(0, 8).join(', ')}, …` : names.join(', ');

/** "t=1.203 s  stream voice: stopped" */
export const changeLine = ({ seconds, change }: Change): string => `t=${seconds.toFixed(3)} s  ${change}`;
