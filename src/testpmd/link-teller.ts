// SPDX-License-Identifier: BSD-3-Clause
// Prints the events of a port's link, no more of them than an EventLimit allows. What becomes of the link is
// told in any case: a line that was held back comes later, as things are then.
import type { Port } from '../ethdev/port.ts';
import { EventLimit, REFILL_MS } from './event-limit.ts';
import { noLinkLine } from './text/port-text.ts';

export class LinkTeller {
  readonly #port: Port;
  readonly #print: (line: string) => void;
  readonly #limit: EventLimit;
  #timer: NodeJS.Timeout | null = null;

  /** `print` is called with lines as they come, also later; `now`: a clock in milliseconds. */
  constructor(port: Port, print: (line: string) => void, now?: () => number) {
    this.#port = port;
    this.#print = print;
    this.#limit = new EventLimit(now);
  }

  linkChanged(): void {
    this.#tell(`Port ${this.#port.id}: link state change event`);
  }

  reasonChanged(): void {
    this.#tell(noLinkLine(this.#port));
  }

  #tell(line: string): void {
    const held = this.#limit.take();
    if (held === null) this.#later();
    else this.#say(held, line);
  }

  #say(held: number, line: string): void {
    if (held > 0) this.#print(`\nPort ${this.#port.id}: ${held} changes of its link were not shown`);
    this.#print(`\n${line}`);
  }

  #later(): void {
    this.#timer ??= setTimeout(() => this.#catchUp(), REFILL_MS).unref();
  }

  #catchUp(): void {
    this.#timer = null;
    // Another event may have been told meanwhile, and those that were held back with it.
    if (this.#limit.held === 0) return;
    if (!this.#limit.hasRoom) {
      this.#later();
      return;
    }
    const { reason } = this.#port.link();
    const line = `Port ${this.#port.id}: link state change event`;
    // The last of them is the one that is told now.
    this.#say((this.#limit.take() ?? 1) - 1, reason ? noLinkLine(this.#port) : line);
  }
}
