// SPDX-License-Identifier: BSD-3-Clause
// The demo's peer, built-in or DPDK's: a child process whose counters are read every second.
import { setTimeout as sleep } from 'node:timers/promises';
import { PeerProcess, type PeerReport } from '../run/builtin-peer.ts';
import type { Child } from '../run/child.ts';
import { requireDpdk } from '../run/dpdk.ts';
import { DpdkTestpmd } from '../run/dpdk-testpmd.ts';
import { OurTestpmd } from '../run/our-testpmd.ts';
import type { Testpmd } from '../run/testpmd.ts';
import type { Workspace } from '../run/workspace.ts';
import type { DemoOptions, ForwardMode } from './options.ts';

/** Totals since the start. */
export interface Sample {
  /** Seconds since the previous sample. */
  readonly seconds: number;
  readonly sent: number;
  readonly received: number;
  /** Only from a peer that checks what it receives. */
  readonly checks?: {
    /** Lost frames: gaps in the sequence while traffic flows, the exact number in the last sample. */
    readonly lost: number;
    /** Frames with a wrong checksum, frames that the peer did not send, and ring errors. */
    readonly bad: number;
  };
}

export interface Traffic {
  readonly child: Child;
  /** Waits for the next sample, about a second. */
  next(): Promise<Sample>;
  /** Stops sending, waits for packets in flight, and returns the totals. */
  finish(): Promise<Sample>;
}

/** Milliseconds that a peer may take to start and to stop. */
const PATIENCE_MS = 60_000;

export function startTraffic(
  options: DemoOptions,
  socket: string,
  cpu: number,
  workspace: Workspace,
): Traffic {
  if (options.symmetric) return pmdTraffic(options, socket, cpu);
  return options.peer === 'builtin'
    ? new BuiltinTraffic(options, socket, cpu)
    : dpdkTraffic(options, socket, cpu, workspace);
}

/** Far more than the run takes; with --interactive the user decides. */
export const maxRunMs = (options: DemoOptions): number =>
  options.interactive ? 2 ** 31 - 1 : 1000 * options.duration + 4 * PATIENCE_MS;

/** The built-in peer's mode for a forward mode of the PMD. */
export function peerMode(mode: ForwardMode): 'generate' | 'sink' | 'both' {
  if (mode === 'rxonly') return 'generate';
  return mode === 'txonly' ? 'sink' : 'both';
}

class BuiltinTraffic implements Traffic {
  readonly child: PeerProcess;
  readonly #checks: boolean;
  #taken = 0;

  constructor(options: DemoOptions, socket: string, cpu: number) {
    const mode = peerMode(options.forwardMode);
    const { size, burst, queues } = options;
    this.#checks = mode === 'both';
    this.child = new PeerProcess({
      ...{ vhostUser: socket, mode, frameSize: size, burst, queues, cpu },
      check: this.#checks,
      statsPeriod: 1,
      maxRunMs: maxRunMs(options),
    });
  }

  async next(): Promise<Sample> {
    await this.child.reported(++this.#taken, PATIENCE_MS);
    return this.#sample(this.child.reports[this.#taken - 1] as PeerReport);
  }

  async finish(): Promise<Sample> {
    return this.#sample(await this.child.finish());
  }

  #sample(report: PeerReport): Sample {
    const totals = { seconds: report.seconds ?? 0, sent: report.txPackets, received: report.rxPackets };
    if (!this.#checks) return totals;
    const lost = report.final ? report.missing : report.outOfSequence;
    return { ...totals, checks: { lost, bad: report.badChecksum + report.badFrame + report.ringErrors } };
  }
}

/** The forward mode of a testpmd as the peer, for a mode of the PMD. It cannot check contents. */
const PEER_MODES = { rxonly: 'txonly', txonly: 'rxonly', io: 'io', mac: 'io', macswap: 'io' } as const;
/** Bursts that circulate in mode io. */
const TX_FIRST = 32;
const RING_SIZE = 256;

function dpdkTraffic(options: DemoOptions, socket: string, cpu: number, workspace: Workspace): Traffic {
  requireDpdk();
  const { queues, burst, size, forwardMode } = options;
  const child = new DpdkTestpmd({
    vdevs: [`net_virtio_user0,path=${socket},queues=${queues},queue_size=${RING_SIZE}`],
    ...{ cpu, hugepages: false, interactive: true },
    ...{ forwardMode: PEER_MODES[forwardMode], burst, frameSize: size, queues, ringSize: RING_SIZE },
    runtimeFolder: workspace.folder,
    maxRunMs: maxRunMs(options),
  });
  return new TestpmdTraffic(child, forwardMode);
}

/** A second PMD, which has to see the first before what it sends can come back. */
function pmdTraffic(options: DemoOptions, socket: string, cpu: number): Traffic {
  const { queues, burst, size, forwardMode } = options;
  const child = new OurTestpmd({
    ...{ vfioUser: [socket], cpu, hugepages: false, interactive: true },
    ...{ forwardMode: PEER_MODES[forwardMode], burst, frameSize: size, queues },
    more: mbufsFor(size),
    maxRunMs: maxRunMs(options),
  });
  return new TestpmdTraffic(child, forwardMode, async () => {
    const end = performance.now() + PATIENCE_MS;
    const info = () => child.command('show port info 0', PATIENCE_MS);
    while (!/Link status: up/.test(await info()) && performance.now() < end) await sleep(100);
  });
}

/** Frames larger than an mbuf would take several segments, which is slower. */
export const mbufsFor = (size: number): string[] => (size > 2048 ? ['--mbuf-size=9344'] : []);

class TestpmdTraffic implements Traffic {
  readonly child: Testpmd;
  readonly #mode: (typeof PEER_MODES)[ForwardMode];
  readonly #ready: () => Promise<void>;
  #started = false;
  #last = performance.now();

  constructor(child: Testpmd, mode: ForwardMode, ready = async () => {}) {
    this.child = child;
    this.#mode = PEER_MODES[mode];
    this.#ready = ready;
    // With --interactive, next() is never called: start here.
    void this.#begin().catch(() => {});
  }

  async next(): Promise<Sample> {
    await this.child.until(() => this.#started, PATIENCE_MS, 'the start of forwarding');
    await sleep(Math.max(0, this.#last + 1000 - performance.now()));
    return this.#show();
  }

  async finish(): Promise<Sample> {
    await this.child.stopForwarding(PATIENCE_MS);
    const totals = await this.#show();
    await this.child.quit(PATIENCE_MS);
    return totals;
  }

  async #begin(): Promise<void> {
    await this.child.prompt(PATIENCE_MS);
    await this.#ready();
    await this.child.startForwarding(PATIENCE_MS, this.#mode === 'io' ? TX_FIRST : 0);
    this.#last = performance.now();
    this.#started = true;
  }

  async #show(): Promise<Sample> {
    const [port] = await this.child.statistics(PATIENCE_MS);
    const seconds = (performance.now() - this.#last) / 1000;
    this.#last = performance.now();
    return { seconds, received: port?.rxPackets ?? 0, sent: port?.txPackets ?? 0 };
  }
}
