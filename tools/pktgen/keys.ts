// SPDX-License-Identifier: BSD-3-Clause
// The keys of the live page: for all streams or for one, and a line that is typed.
import { obey } from './control-line.ts';
import type { Interrupt } from './interrupt.ts';
import type { RateControl } from './rate-control.ts';

export const KEYS = 'keys: + - 10 %  ] [ twice or half  n next stream  s stop  : command  q end';

const FACTORS: Readonly<Record<string, number>> = { '+': 1.1, '=': 1.1, '-': 1 / 1.1, ']': 2, '[': 0.5 };
const [ENTER, NEWLINE, ESCAPE, DELETE, BACKSPACE] = ['\r', '\n', '\u001b', '\u007f', '\b'];
const LONGEST_LINE = 200;

/** Whether a key ends a page that is only looked at. */
export const isEnd = (key: string): boolean => key === 'q' || key === '\u0003';

export class Keys {
  readonly #control: RateControl;
  readonly #interrupt: Interrupt;
  /** Undefined: the keys are for all streams. */
  #selected: number | undefined;
  /** Undefined while no line is typed. */
  #typed: string | undefined;
  #fault = '';

  constructor(control: RateControl, interrupt: Interrupt) {
    this.#control = control;
    this.#interrupt = interrupt;
  }

  get selected(): number | undefined {
    return this.#selected;
  }

  /** The last line of the page: what is typed, what was wrong with it, or the keys. */
  get footer(): string {
    if (this.#typed !== undefined) return `:${this.#typed}_`;
    return this.#fault || KEYS;
  }

  press(key: string): void {
    if (key === '\u0003') this.#interrupt.raise();
    else if (this.#typed !== undefined) this.#type(key, this.#typed);
    else this.#attempt(() => this.#act(key));
  }

  #act(key: string): void {
    const { streams } = this.#control;
    const factor = FACTORS[key];
    if (factor !== undefined) this.#control.multiply(factor, this.#selected);
    else if (isEnd(key)) this.#interrupt.raise();
    else if (key === ':') this.#typed = '';
    else if (key === 's') this.#turn();
    else if (key === 'n' && streams.length > 1) {
      const next = (this.#selected ?? -1) + 1;
      this.#selected = next < streams.length ? next : undefined;
    }
  }

  /** All streams are started if all are stopped. */
  #turn(): void {
    const control = this.#control;
    const which = this.#selected === undefined ? control.streams.map((_, i) => i) : [this.#selected];
    if (which.every((i) => control.isStopped(i))) control.start(this.#selected);
    else control.stop(this.#selected);
  }

  #type(key: string, typed: string): void {
    if (key === ESCAPE) this.#typed = undefined;
    else if (key === DELETE || key === BACKSPACE) this.#typed = typed.slice(0, -1);
    else if (key === ENTER || key === NEWLINE) {
      this.#typed = undefined;
      this.#attempt(() => obey(typed, this.#control, this.#interrupt));
    } else if (key >= ' ' && typed.length < LONGEST_LINE) this.#typed = typed + key;
  }

  #attempt(step: () => void): void {
    this.#fault = '';
    try {
      step();
    } catch (error) {
      this.#fault = (error as Error).message;
    }
  }
}
