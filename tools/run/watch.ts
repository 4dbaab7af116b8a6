// SPDX-License-Identifier: BSD-3-Clause
// Children that must keep running while a tool works with them. One that ends, or that a signal from outside
// stops, fails the work at once; without that, only silence would show, much later and without a name.
import type { PmdError } from '../../src/errors.ts';
import type { Child } from './child.ts';

/** Milliseconds in which the children that end because another one did end as well. */
const GRACE_MS = 100;
/** The end of a child is an event, but the kernel only tells of a stop when asked. */
const LOOK_MS = 250;

export class Watch {
  readonly #children: Child[] = [];
  #fail: (() => void) | undefined;

  /** Add a child before those that depend on it: an error names the first that failed, in this order. */
  add<Kind extends Child>(child: Kind): Kind {
    this.#children.push(child);
    void child.gone.then(() => this.#fail?.());
    return child;
  }

  /** The processes that run. */
  get pids(): number[] {
    return this.#children.flatMap(({ pid, exit }) => (pid === undefined || exit !== undefined ? [] : [pid]));
  }

  /** The result of `work`. Throws VPCI_CHILD as soon as a child has ended or was stopped from outside. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const failed = new Promise<PmdError>((resolve) => {
      const look = (): void => {
        const failure = this.#failure();
        if (failure) resolve(failure);
      };
      this.#fail = look;
      timer = setInterval(look, LOOK_MS);
      look();
    });
    try {
      return await Promise.race([work(), failed.then((first) => this.#blame(first))]);
    } catch (error) {
      await grace();
      throw this.#sharper(error as PmdError);
    } finally {
      clearInterval(timer);
      this.#fail = undefined;
    }
  }

  /** `first`: what was seen first, in case that child has been continued since. */
  async #blame(first: PmdError): Promise<never> {
    await grace();
    throw this.#failure() ?? first;
  }

  /** A child's own error says what it was waited for; another's error only shows the consequence. */
  #sharper(error: PmdError): PmdError {
    const culprit = this.#culprit();
    return culprit === undefined || error.message.startsWith(`${culprit.name} `) ? error : failureOf(culprit);
  }

  #failure(): PmdError | undefined {
    const culprit = this.#culprit();
    return culprit && failureOf(culprit);
  }

  /** A child that was killed or stopped is the cause; one that exits with a code may be the consequence. */
  #culprit(): Child | undefined {
    return (
      this.#children.find(({ exit }) => typeof exit === 'string') ??
      this.#children.find(({ halted, paused }) => halted && !paused) ??
      this.#children.find(({ exit }) => exit !== undefined)
    );
  }
}

const failureOf = (child: Child): PmdError =>
  child.failure(
    child.exit === undefined
      ? 'was stopped (SIGSTOP or SIGTSTP) while packets flowed'
      : `ended (${child.exit}) while packets flowed`,
  );

const grace = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, GRACE_MS));
