// SPDX-License-Identifier: BSD-3-Clause
// --hot-plug: polls for removed devices to come back. Nothing here blocks, and a device that is present but
// cannot be opened is retried at growing intervals.

export interface Absent {
  /** The port's id, which is reserved meanwhile. */
  readonly id: number;
  readonly name: string;
  /** As given to probePort. */
  readonly device: string;
  readonly started: boolean;
  /** Whether forwarding resumes with the port. */
  forwarding: boolean;
}

interface Watched {
  readonly absent: Absent;
  waitMs: number;
  timer: NodeJS.Timeout | null;
}

const LOOK_MS = 200;
const MAX_WAIT_MS = 5000;

export class HotPlug {
  readonly #isBack: (device: string) => Promise<boolean>;
  readonly #take: (absent: Absent) => Promise<boolean>;
  readonly #watched = new Map<number, Watched>();

  /** `take` opens the port again and returns whether it could. */
  constructor(isBack: (device: string) => Promise<boolean>, take: (absent: Absent) => Promise<boolean>) {
    this.#isBack = isBack;
    this.#take = take;
  }

  /** Ids reserved for ports that may come back. */
  get reserved(): ReadonlySet<number> {
    return new Set(this.#watched.keys());
  }

  watch(absent: Absent): void {
    const watched = { absent, waitMs: LOOK_MS, timer: null };
    this.#watched.set(absent.id, watched);
    this.#schedule(watched);
  }

  find(name: string): Absent | null {
    for (const { absent } of this.#watched.values()) if (absent.name === name) return absent;
    return null;
  }

  forget({ id }: Absent): void {
    const watched = this.#watched.get(id);
    if (watched?.timer) clearTimeout(watched.timer);
    this.#watched.delete(id);
  }

  /** Forwarding was stopped: ports that come back must not restart it. */
  stopped(): void {
    for (const { absent } of this.#watched.values()) absent.forwarding = false;
  }

  close(): void {
    for (const { absent } of [...this.#watched.values()]) this.forget(absent);
  }

  #schedule(watched: Watched): void {
    watched.timer = setTimeout(() => void this.#look(watched), watched.waitMs);
  }

  async #look(watched: Watched): Promise<void> {
    const { absent } = watched;
    const current = () => this.#watched.get(absent.id) === watched;
    if (await this.#isBack(absent.device)) {
      if (!current()) return;
      if (await this.#take(absent)) {
        if (current()) this.forget(absent);
        return;
      }
      watched.waitMs = Math.min(2 * watched.waitMs, MAX_WAIT_MS);
    }
    if (current()) this.#schedule(watched);
  }
}
