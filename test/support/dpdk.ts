// SPDX-License-Identifier: BSD-3-Clause
// Runs a real dpdk-testpmd beside a test or a benchmark: as a vhost back-end (net_vhost), as a virtio-net driver
// (net_virtio_user), or both. Its output is collected, waiting is bounded, and it is ended by its process id: on stop(),
// when this process exits, and when it has run for longer than it was allowed to.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { dpdkCommand, hugepagesFree as freePages } from '../../tools/run/dpdk.ts';
import { findProgram } from '../../tools/run/programs.ts';

export interface TestpmdOptions {
  /** Arguments of --vdev, e.g. "net_vhost0,iface=/tmp/s,queues=1". */
  readonly vdevs: readonly string[];
  /** CPU of both lcores: testpmd wants a main lcore beside the forwarding one. */
  readonly cpu?: number;
  /** Forwarding lcores on that CPU, for several queues; 1. */
  readonly forwardingLcores?: number;
  /** Hugepages; by default when this process can have them. */
  readonly hugepages?: boolean;
  /** MiB of memory; 256. */
  readonly memory?: number;
  /** Further EAL options. */
  readonly eal?: readonly string[];
  /** testpmd's own options (after "--"); --nb-cores and --total-num-mbufs are set already. */
  readonly testpmd?: readonly string[];
  /** With the prompt (-i), for command(). */
  readonly interactive?: boolean;
  /** Milliseconds after which it is killed whatever happens; 60 000. */
  readonly maxRunMs?: number;
}

/** Totals of a port, as "show port stats" and the summary at the end print them. */
export interface PortTotals {
  readonly rxPackets: number;
  readonly txPackets: number;
}

const DEFAULT_MEMORY = 256;
/** Time that testpmd gets to end by itself after SIGINT. */
const STOP_MS = 5000;
const POLL_MS = 10;

const running = new Set<ChildProcessWithoutNullStreams>();
let prefixes = 0;

/** True in a pipeline, where a missing dependency must fail a test and not skip it. */
export const inCi = (): boolean => process.env.CI === 'true';

/**
 * Why DPDK tests are to be skipped: false when dpdk-testpmd is there, and in CI, where a missing one is a failure.
 * Use: `describe.skipIf(dpdkMissing())('…', …)`.
 */
export function dpdkMissing(): string | false {
  if (findProgram('dpdk-testpmd') || inCi()) return false;
  const reason =
    'dpdk-testpmd is not installed (Debian: apt-get install dpdk-dev librte-net-vhost23 librte-net-virtio23)';
  console.warn(`DPDK tests are skipped: ${reason}`);
  return reason;
}

/** True when a process of this user can have `mebibytes` of 2 MiB pages from a memfd. */
export const hugepagesFree = (mebibytes: number): boolean => freePages() * 2 >= mebibytes;

function commandLine(options: TestpmdOptions): string[] {
  const memory = options.memory ?? DEFAULT_MEMORY;
  return dpdkCommand({
    vdevs: options.vdevs,
    cpu: options.cpu ?? 1,
    forwardingLcores: options.forwardingLcores ?? 1,
    hugepages: options.hugepages ?? hugepagesFree(memory),
    filePrefix: `vpci${process.pid}_${prefixes++}`,
    memory,
    eal: options.eal ?? [],
    testpmd: [...(options.interactive ? ['-i'] : []), ...(options.testpmd ?? [])],
  });
}

export class Testpmd {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #deadline: NodeJS.Timeout;
  #output = '';
  #errors = '';
  #exit: number | string | undefined;

  private constructor(child: ChildProcessWithoutNullStreams, maxRunMs: number) {
    this.#child = child;
    running.add(child);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
    // Apart, or its lines fall into the middle of what is waited for.
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
    child.stdin.on('error', () => {}); // It may end while a command is on its way.
    child.on('error', (error) => this.#ended(error.message));
    child.on('exit', (code, signal) => this.#ended(code ?? signal ?? 'unknown'));
    this.#deadline = setTimeout(() => child.kill('SIGKILL'), maxRunMs);
    this.#deadline.unref();
  }

  static start(options: TestpmdOptions): Testpmd {
    // setpriv execs, so the process id stays testpmd's, and it ends when this process is killed.
    const wrapper = findProgram('setpriv') ? ['setpriv', '--pdeathsig', 'KILL'] : [];
    const [program = '', ...args] = [...wrapper, ...commandLine(options)];
    return new Testpmd(spawn(program, args, { stdio: 'pipe' }), options.maxRunMs ?? 60_000);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Everything printed so far on standard output. */
  get output(): string {
    return this.#output;
  }

  /** Exit code, signal name or spawn error; undefined while it runs. */
  get exit(): number | string | undefined {
    return this.#exit;
  }

  /** Waits until the output after byte `from` matches; fails with the output when it ends before, or after `ms`. */
  async waitFor(pattern: string | RegExp, ms = 15_000, from = 0): Promise<RegExpExecArray> {
    const expression = typeof pattern === 'string' ? new RegExp(escapeRegExp(pattern)) : pattern;
    const end = Date.now() + ms;
    for (;;) {
      const match = expression.exec(this.#output.slice(from));
      if (match) return match;
      if (this.#exit !== undefined) throw this.#failed(`ended (${this.#exit}) before it printed ${pattern}`);
      if (Date.now() > end) throw this.#failed(`did not print ${pattern} within ${ms} ms`);
      await sleep(POLL_MS);
    }
  }

  /** Types a line at the prompt and returns what was printed up to the next prompt. Needs `interactive`. */
  async command(line: string, ms = 10_000): Promise<string> {
    const from = this.#output.length;
    this.#child.stdin.write(`${line}\n`);
    // The terminal echo of the line also holds a prompt: the answer ends at the prompt after it.
    const match = await this.waitFor(/\n([\s\S]*)testpmd> $/, ms, from);
    return match[1] ?? '';
  }

  /** Totals of one port from the latest statistics in the output; undefined before there are any. */
  totals(port = 0): PortTotals | undefined {
    const blocks = [
      ...this.#output.matchAll(
        new RegExp(
          `(?:NIC|Forward) statistics for port ${port} [^]*?RX-packets: +(\\d+)[^]*?TX-packets: +(\\d+)`,
          'g',
        ),
      ),
    ];
    const last = blocks.at(-1);
    return last && { rxPackets: Number(last[1]), txPackets: Number(last[2]) };
  }

  /** Sends a signal; SIGKILL is a crash of the peer. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits for its end; false when it still runs after `ms`. */
  async ended(ms: number): Promise<boolean> {
    const end = Date.now() + ms;
    while (this.#exit === undefined && Date.now() < end) await sleep(POLL_MS);
    return this.#exit !== undefined;
  }

  /** Ends it as a user would (SIGINT: forwarding stops and totals are printed), by force when it does not. Returns the output. */
  async stop(): Promise<string> {
    this.kill('SIGINT');
    if (!(await this.ended(STOP_MS))) {
      this.kill('SIGKILL');
      await this.ended(STOP_MS);
    }
    clearTimeout(this.#deadline);
    return this.#output;
  }

  #ended(how: number | string): void {
    this.#exit ??= how;
    running.delete(this.#child);
    clearTimeout(this.#deadline);
  }

  #failed(what: string): Error {
    return new Error(
      `dpdk-testpmd ${what}; its output:\n${this.#output.slice(-4000)}\n${this.#errors.slice(-2000)}`,
    );
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
