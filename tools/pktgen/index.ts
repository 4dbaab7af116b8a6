// SPDX-License-Identifier: BSD-3-Clause
// The generator as a library: import { openPktgen } from 'vhost-pci-pmd/pktgen'.
import { PmdError } from '../../src/errors.ts';
import type { Port } from '../../src/ethdev/port.ts';
import { native } from '../../src/native.ts';
import { twoCpus } from '../run/workspace.ts';
import { Generator, type Trial } from './generator.ts';
import { checkOpen, checkPeriod, checkRun, checkSearch } from './library-options.ts';
import type { PktgenOptions, RunOptions, SearchOptions } from './library-types.ts';
import { ofUser, openDevice, startLocal } from './local-peer.ts';
import type { OpenedPort } from './opened-port.ts';
import { outcomeOf } from './outcome.ts';
import { fault } from './plan/fault.ts';
import { parseLine, parseRate } from './plan/rate.ts';
import { RateControl } from './rate-control.ts';
import { type TrialResult, type UnreturnedResult, withoutReturns } from './result.ts';
import { NOTHING, type Outcome, type SearchResult, type Step, searchRate } from './search.ts';
import { flatOut, Workload } from './workload.ts';

export { PmdError } from '../../src/errors.ts';
export type { Percentile } from './latency.ts';
export type { Field, Stream } from './plan/stream.ts';
export type {
  Counts,
  GapSummary,
  LatencySummary,
  StreamResult,
  TrialResult,
  UnreturnedResult,
} from './result.ts';
export type { Outcome, SearchResult, Step } from './search.ts';
export type { PktgenOptions, RunOptions, SearchOptions };

/** The figures of a run; of one without returns, some counts are null. */
export type RunResult = TrialResult | UnreturnedResult;

/**
 * A generator on a port: for one thing at a time.
 *
 * @example
 * const pktgen = await openPktgen({ streams: [{ size: 'imix' }], rate: '1mpps' });
 * const { lost, latency } = await pktgen.run({ seconds: 5 });
 * await pktgen.close();
 */
export class Pktgen {
  /** The port that it drives, for its statistics and its link; close() closes it unless it was given. */
  readonly port: Port;
  readonly #opened: OpenedPort;
  readonly #generator: Generator;
  readonly #workload: Workload;
  readonly #control: RateControl;
  readonly #returns: boolean | undefined;
  /** The call that is under way. */
  #busyWith: string | undefined;
  #halted = false;
  #closed = false;

  /** @internal */
  constructor(opened: OpenedPort, generator: Generator, workload: Workload, returns: boolean | undefined) {
    this.port = opened.port;
    this.#opened = opened;
    this.#generator = generator;
    this.#workload = workload;
    this.#control = new RateControl({
      workload,
      apply: (pps) => generator.setRates(pps),
      now: () => generator.elapsed,
    });
    this.#returns = returns;
  }

  /**
   * Sends, and resolves with the figures, not rounded, once the last frame is back or lost. There is no
   * warm-up: in the first run of a generator, V8 has yet to compile the loop. As statistics() and search(),
   * rejects with VPCI_BUSY while one of them is under way, with VPCI_CLOSED after close(), with
   * VPCI_ARGUMENT for an option that is wrong, and with VPCI_PEER_RING if the peer has broken a ring.
   */
  async run(options: RunOptions = {}): Promise<RunResult> {
    this.#requireOpen('run()');
    checkRun('run()', options);
    this.#begin('run()');
    try {
      return this.#known(await this.#generator.run(this.#trial(options, this.#control.pps())));
    } finally {
      this.#busyWith = undefined;
    }
  }

  /**
   * Sends, and gives the totals so far every `period` seconds, the last time with the final figures. To leave
   * the loop early ends the run.
   */
  async *statistics(options: RunOptions = {}, period = 1): AsyncGenerator<RunResult, void> {
    this.#requireOpen('statistics()');
    checkRun('statistics()', options);
    checkPeriod(period);
    this.#begin('statistics()', this.#trial(options, this.#control.pps()));
    try {
      for (let next = period; !this.#generator.done; ) {
        await this.#generator.changed(1000 * (next - this.#generator.elapsed));
        if (this.#generator.elapsed < next || this.#generator.draining || this.#generator.done) continue;
        next += period;
        yield this.#known(this.#generator.read());
      }
      yield this.#known(await this.#generator.end());
    } finally {
      this.#generator.halt();
      await this.#generator.end().finally(() => {
        this.#busyWith = undefined;
      });
    }
  }

  /**
   * Changes the rate of one stream, or of those without one of their own, also while frames are sent. A
   * stream is named by its name or its number, from 0. The rate is as {@link Stream.rate}: a number is frames
   * per second. Throws VPCI_ARGUMENT for a rate or a stream that is none, VPCI_CLOSED after close().
   */
  setRate(rate: string | number, stream?: string | number): void {
    this.#requireOpen('setRate()');
    if (parseRate(rate, 'rate').kind === 'share') throw shareOfMaximum();
    this.#control.setRate(rate, stream === undefined ? undefined : this.#control.find(stream));
  }

  /**
   * Stops a stream, or all, also while frames are sent: its frames are no longer due. Numbers go on where
   * they stopped, so loss and order stay exact. Throws VPCI_ARGUMENT for a stream that is none, or is
   * stopped, VPCI_CLOSED after close().
   */
  stop(stream?: string | number): void {
    this.#requireOpen('stop()');
    this.#control.stop(stream === undefined ? undefined : this.#control.find(stream));
  }

  /**
   * Starts a stream again, or all. Throws VPCI_ARGUMENT for a stream that is none, or is not stopped,
   * VPCI_CLOSED after close().
   */
  start(stream?: string | number): void {
    this.#requireOpen('start()');
    this.#control.start(stream === undefined ? undefined : this.#control.find(stream));
  }

  /** Ends the run, or the search, that is under way; does nothing if none is. */
  halt(): void {
    this.#halted = true;
    this.#generator.halt();
  }

  /**
   * The highest rate of all streams together, stopped ones too, that keeps to the limits, their proportions
   * kept. Rejects with VPCI_ARGUMENT if a stream has a `count`.
   */
  async search(options: SearchOptions = {}): Promise<SearchResult> {
    this.#requireOpen('search()');
    checkSearch(options);
    if (this.#returns === false) throw fault('search', 'it needs frames that come back');
    this.#begin('search()');
    try {
      return await this.#search(options);
    } finally {
      this.#busyWith = undefined;
    }
  }

  /**
   * Ends everything that was started for it; a port that was given stays open. A run that is under way ends
   * with the figures so far, or with VPCI_CLOSED.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#halted = true;
    await this.#generator.close().catch(() => {});
    await this.#opened.close();
  }

  #requireOpen(call: string): void {
    if (this.#closed) throw new PmdError('VPCI_CLOSED', `Failed to call ${call}: the generator is closed`);
  }

  #begin(call: string, trial?: Trial): void {
    const busyWith = this.#busyWith;
    if (busyWith !== undefined)
      throw new PmdError('VPCI_BUSY', `Failed to call ${call}: ${busyWith} is under way`);
    if (trial) this.#generator.begin(trial);
    this.#busyWith = call;
    this.#halted = false;
  }

  async #search(options: SearchOptions): Promise<SearchResult> {
    const { trialSeconds = 2, before, after, loss = 0, unsent = 0.001 } = options;
    const { latencyNs = Number.POSITIVE_INFINITY, precision = 0.005, timeBound = 120 } = options;
    const { streams } = this.#workload;
    this.#workload.requireEndless();
    const { sent, seconds } = await this.#generator.run(this.#trial({ seconds: 1 }, flatOut(streams)));
    const trial = async (pps: number): Promise<Outcome> => {
      if (!this.#halted && (await before?.(pps)) === false) this.#halted = true;
      if (this.#halted) return NOTHING;
      return outcomeOf(
        await this.#generator.run(this.#trial({ seconds: trialSeconds }, this.#workload.scaled(pps))),
      );
    };
    const plan = { limits: { loss, unsent, latencyNs }, highest: sent / seconds, precision, timeBound };
    const report = (step: Step) => after?.(step);
    return searchRate(plan, trial, { report, interrupted: () => this.#halted });
  }

  #known(result: TrialResult): RunResult {
    return (this.#returns ?? result.received > 0) ? result : withoutReturns(result);
  }

  #trial(
    { seconds = Number.POSITIVE_INFINITY, drain = 0.1, maxLag = 0.01 }: RunOptions,
    pps: readonly number[],
  ) {
    return { seconds, drain, maxLag, pps };
  }
}

const LINK_WAIT_MS = 10_000;
const LONGEST_MS = 2 ** 31 - 1;
const MACS = { srcMac: '02:00:00:00:00:02', dstMac: '02:00:00:00:00:01' };

/**
 * Opens a generator. Throws VPCI_ARGUMENT for a stream that is wrong, naming it, VPCI_NO_TRAFFIC if the link
 * does not come up, or what openPort() and launch() throw.
 */
export async function openPktgen(options: PktgenOptions): Promise<Pktgen> {
  checkOpen(options);
  const { device, streams, rate = '100kpps', lineRate = '10gbps', seed = 1, hugepages = false } = options;
  const workload = Workload.of(streams, {
    rate,
    line: parseLine(lineRate),
    where: 'streams',
    macs: MACS,
    seed,
  });
  if (workload.needsMaximum) throw shareOfMaximum();
  if (options.rate !== undefined && workload.sharing.length === 0)
    throw fault('rate', 'every stream has a rate of its own, so it has no effect');
  const [first, second] = twoCpus(native.getAffinity());
  const mode = options.peer ?? 'echo';
  const opened = await openedPort(device, {
    ...{ cpu: options.peerCpu ?? second, mode, queueSize: 256, hugepages, maxRunMs: LONGEST_MS },
    dropAbove: options.dropAbove,
  });
  try {
    const cpu = options.cpu ?? first;
    const generator = new Generator({ port: opened.port, streams: workload.streams, cpu, hugepages });
    void opened.broken.then((error) => generator.break(error));
    await generator.ready;
    const returns = options.returns ?? (device === undefined ? mode === 'echo' : undefined);
    return new Pktgen(opened, generator, workload, returns);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

const shareOfMaximum = () => fault('rate', "'%max' is the command's: measure with rate 'max' first");

async function openedPort(
  device: Port | string | undefined,
  local: Parameters<typeof startLocal>[0],
): Promise<OpenedPort> {
  if (device === undefined) return startLocal(local);
  if (typeof device === 'string') return openDevice(device, LINK_WAIT_MS);
  return ofUser(device);
}
