// SPDX-License-Identifier: BSD-3-Clause
// A real dpdk-testpmd for a test: as a vhost back-end (net_vhost), as a virtio-net driver (net_virtio_user),
// or both.
import type { PmdError } from '../../src/errors.ts';
import { dpdkHas, hugepagesFree as freePages, requireMemif } from '../../tools/run/dpdk.ts';
import { DpdkTestpmd } from '../../tools/run/dpdk-testpmd.ts';
import { requireOvs } from '../../tools/run/ovs.ts';
import { findProgram } from '../../tools/run/programs.ts';
import { latestOf, type TestpmdStatistics } from '../../tools/run/testpmd-output.ts';

export interface TestpmdOptions {
  /** Arguments of --vdev, e.g. "net_vhost0,iface=/tmp/s,queues=1". */
  readonly vdevs: readonly string[];
  /** CPU of both lcores: testpmd needs a main lcore in addition to the forwarding one. */
  readonly cpu?: number;
  /** Forwarding lcores on that CPU, for several queues; 1. */
  readonly forwardingLcores?: number;
  /** Use hugepages; by default if this process can have them. */
  readonly hugepages?: boolean;
  /** MiB of memory; 256. */
  readonly memory?: number;
  /** Further EAL options. */
  readonly eal?: readonly string[];
  /** testpmd's own options (after "--"); --nb-cores and --total-num-mbufs are already set. */
  readonly testpmd?: readonly string[];
  /** Start with the prompt (-i), for command(). */
  readonly interactive?: boolean;
  /** Milliseconds after which it is killed in any case; 60 000. */
  readonly maxRunMs?: number;
}

const DEFAULT_MEMORY = 256;
const PRINT_MS = 15_000;
const COMMAND_MS = 10_000;
const MAX_RUN_MS = 60_000;

/** True in a pipeline, where a missing dependency must fail a test and not skip it. */
export const inCi = (): boolean => process.env.CI === 'true';

/** Why tests with net_memif are skipped; false as for dpdkMissing. */
export function memifMissing(): string | false {
  const missing = dpdkMissing();
  if (missing || inCi()) return missing;
  try {
    requireMemif();
    return false;
  } catch (error) {
    return (error as PmdError).message;
  }
}

/** Why tests with Open vSwitch are skipped; false as for dpdkMissing. */
export function ovsMissing(): string | false {
  const missing = dpdkMissing();
  if (missing || inCi()) return missing;
  try {
    requireOvs();
    return hugepagesFree(900) ? false : 'Open vSwitch with DPDK needs hugepages';
  } catch (error) {
    return (error as PmdError).message;
  }
}

/**
 * Why DPDK tests are skipped: false if dpdk-testpmd is installed, and in CI, where a missing one is a
 * failure. Use: `describe.skipIf(dpdkMissing())('…', …)`.
 */
export function dpdkMissing(): string | false {
  if (findProgram('dpdk-testpmd') || inCi()) return false;
  const reason =
    'dpdk-testpmd is not installed (Debian: apt-get install dpdk-dev librte-net-vhost23 librte-net-virtio23)';
  console.warn(`DPDK tests are skipped: ${reason}`);
  return reason;
}

/** Why tests of `what` with these drivers of DPDK are skipped; false as for dpdkMissing. */
export function driversMissing(drivers: readonly string[], what: string): string | false {
  const missing = dpdkMissing();
  if (missing) return missing;
  const absent = drivers.filter((driver) => !dpdkHas(driver));
  if (absent.length === 0 || inCi()) return false;
  const reason = `DPDK has no ${absent.join(', ')}`;
  console.warn(`The ${what} is skipped: ${reason}`);
  return reason;
}

/** True when a process of this user can have `mebibytes` of 2 MiB pages from a memfd. */
export const hugepagesFree = (mebibytes: number): boolean => freePages() * 2 >= mebibytes;

export class Testpmd extends DpdkTestpmd {
  static start(options: TestpmdOptions): Testpmd {
    const memory = options.memory ?? DEFAULT_MEMORY;
    return new Testpmd({
      vdevs: options.vdevs,
      cpu: options.cpu ?? 1,
      forwardingLcores: options.forwardingLcores ?? 1,
      hugepages: options.hugepages ?? hugepagesFree(memory),
      memory,
      eal: options.eal ?? [],
      interactive: options.interactive ?? false,
      more: options.testpmd ?? [],
      maxRunMs: options.maxRunMs ?? MAX_RUN_MS,
    });
  }

  override waitFor(pattern: string | RegExp, ms = PRINT_MS, from = 0): Promise<RegExpExecArray> {
    return super.waitFor(typeof pattern === 'string' ? new RegExp(escapeRegExp(pattern)) : pattern, ms, from);
  }

  override command(line: string, ms = COMMAND_MS): Promise<string> {
    return super.command(line, ms);
  }

  /** A port's counters as last printed; undefined before that. */
  totals(port = 0): TestpmdStatistics | undefined {
    return latestOf(this.output, port);
  }

  override failure(what: string): PmdError {
    const error = super.failure(what);
    error.message += `; its output:\n${this.transcript.slice(-4000)}`;
    return error;
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
