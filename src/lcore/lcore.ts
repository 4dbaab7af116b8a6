// SPDX-License-Identifier: BSD-3-Clause
// What the launcher of an lcore holds. Of Node's types it uses none, so that applications need none.

/**
 * A module that runs on a thread of its own, pinned to CPUs: the result of {@link launch}. For the thread
 * that launched it.
 *
 * @example
 * const lcore = launch({ cpu: 1, module: import.meta.url, ports: [port] });
 * await lcore.ready; // … later: await lcore.stop();
 */
export interface Lcore {
  /** Its number, 0 to 1023, for messages; several lcores may have the same. */
  readonly id: number;
  /** The CPUs that it is pinned to. */
  readonly cpus: readonly number[];
  /**
   * The module's `lcore.stats`: 64 numbers, 0 at first, in memory that both threads share. Read them at any
   * time, without a message or a lock; of an update that changes several, one may be seen before another.
   */
  readonly stats: Float64Array;
  /**
   * Resolves when the module's function is called, so that its CPU is set and its module loaded. Rejects as
   * `exited` does if the lcore fails before that.
   */
  readonly ready: Promise<void>;
  /**
   * Resolves when the module has returned and the thread is gone. Rejects with a {@link PmdError}:
   * VPCI_NO_CPU (the cpuset does not allow it), VPCI_LCORE_MODULE (no default export), VPCI_LCORE_EXITED (the
   * thread exited early), VPCI_LCORE_STUCK (it did not return in time after stop()), the code of the error
   * that the module threw, or VPCI_LCORE_FAILED if that has none.
   */
  readonly exited: Promise<void>;
  /**
   * Makes `running()` false on the lcore, wakes it if it sleeps, and returns `exited`. A module that has not
   * returned after `stopTimeout` is terminated. May be called again.
   */
  stop(): Promise<void>;
}
