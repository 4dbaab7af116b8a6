// SPDX-License-Identifier: BSD-3-Clause
// The instrument: a virtio-net driver that connects to a vhost-user socket, generates or receives traffic,
// and reports its rates. It is the same for every measured back-end.
import { setTimeout as sleep } from 'node:timers/promises';
import { PmdError } from '../../../src/errors.ts';
import { PeerProcess, type PeerReport } from '../../run/builtin-peer.ts';
import type { Child } from '../../run/child.ts';
import { DpdkTestpmd } from '../../run/dpdk-testpmd.ts';
import type { Testpmd } from '../../run/testpmd.ts';
import { type Rates, sumOf } from '../../run/testpmd-output.ts';
import type { Workspace } from '../../run/workspace.ts';
import { type Case, ROLES } from '../cases.ts';
import { BURST, type PeerKind, runBoundMs, type Settings, START_MS } from '../settings.ts';

export interface BenchPeer {
  /** Connects to the back-end and starts the traffic. */
  start(): Promise<void>;
  /** Rates over a window of at least this many seconds, starting now. */
  measure(seconds: number): Promise<Rates>;
  /** Stops the peer, so that it uses no CPU, until resume() or stop(). */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
  readonly pid: number | undefined;
  readonly child: Child;
  /** DPDK's version, if this is DPDK and has printed it. */
  readonly dpdkVersion: string | undefined;
}

export function createPeer(
  settings: Settings,
  wanted: Case,
  sockets: readonly string[],
  workspace: Workspace,
): BenchPeer {
  return settings.peer === 'dpdk'
    ? new DpdkPeer(settings, wanted, sockets, workspace)
    : new BuiltinPeer(settings, wanted, sockets);
}

/** Milliseconds for testpmd to obey 'quit'. */
const QUIT_MS = 5000;
/** Bursts that circulate in mode io. */
const TX_FIRST = 32;

/**
 * A testpmd at its prompt: "show port stats" prints the rates since the previous query, by testpmd's own
 * clock. `txFirst`: bursts that begin a mode in which packets circulate.
 */
export class PromptPeer<Kind extends Testpmd = Testpmd> implements BenchPeer {
  protected readonly testpmd: Kind;
  readonly #txFirst: number;

  constructor(testpmd: Kind, txFirst = 0) {
    this.testpmd = testpmd;
    this.#txFirst = txFirst;
  }

  get child(): Child {
    return this.testpmd;
  }

  get pid(): number | undefined {
    return this.testpmd.pid;
  }

  get dpdkVersion(): string | undefined {
    return undefined;
  }

  async start(): Promise<void> {
    await this.testpmd.prompt(START_MS);
    await this.testpmd.startForwarding(START_MS, this.#txFirst);
  }

  async measure(seconds: number): Promise<Rates> {
    await this.testpmd.statistics(START_MS);
    await sleep(1000 * seconds);
    return sumOf(await this.testpmd.statistics(START_MS));
  }

  pause(): void {
    this.testpmd.pause();
  }

  resume(): void {
    this.testpmd.resume();
  }

  stop(): Promise<void> {
    return this.testpmd.quit(QUIT_MS);
  }
}

class DpdkPeer extends PromptPeer<DpdkTestpmd> {
  constructor(settings: Settings, wanted: Case, sockets: readonly string[], workspace: Workspace) {
    const { queueSize, packed, peerCpu, hugepages } = settings;
    const ring = `queues=1,queue_size=${queueSize},packed_vq=${Number(packed)}`;
    const forwardMode = ROLES[wanted.direction].peer;
    const testpmd = new DpdkTestpmd({
      vdevs: sockets.map((socket, port) => `net_virtio_user${port},path=${socket},${ring}`),
      ...{ interactive: true, forwardMode, burst: BURST },
      ...{ ringSize: queueSize, frameSize: wanted.size, cpu: peerCpu, hugepages },
      name: 'dpdk-testpmd (the peer)',
      runtimeFolder: workspace.folder,
      maxRunMs: runBoundMs(settings),
    });
    super(testpmd, forwardMode === 'io' ? TX_FIRST : 0);
  }

  override get dpdkVersion(): string | undefined {
    return this.testpmd.version;
  }
}

const PERIOD_SECONDS = 0.1;
const MODES = { rx: 'generate', tx: 'sink', io: 'both', macswap: 'both', relay: undefined } as const;

/** Throws VPCI_BENCH for a case that this peer does not support. */
export function requirePeerFor(peer: PeerKind, cases: readonly Case[]): void {
  const wanted = cases.find(({ direction }) => MODES[direction] === undefined);
  if (peer === 'builtin' && wanted)
    throw new PmdError(
      'VPCI_USAGE',
      `--peer builtin: ${wanted.name}: the built-in peer has only one port; use --peer dpdk`,
    );
}

class BuiltinPeer implements BenchPeer {
  readonly dpdkVersion = undefined;
  readonly #peer: PeerProcess;

  constructor(settings: Settings, { direction, size }: Case, sockets: readonly string[]) {
    const { queueSize, packed, hugepages, peerCpu } = settings;
    this.#peer = new PeerProcess({
      vhostUser: `${sockets[0]}`,
      mode: MODES[direction] ?? 'both',
      ...{ frameSize: size, burst: BURST, cpu: peerCpu, queueSize, packed, hugepages },
      check: false,
      statsPeriod: PERIOD_SECONDS,
      maxRunMs: runBoundMs(settings),
    });
  }

  get child(): Child {
    return this.#peer;
  }

  get pid(): number | undefined {
    return this.#peer.pid;
  }

  start(): Promise<void> {
    return this.#peer.reported(1, START_MS);
  }

  async measure(seconds: number): Promise<Rates> {
    const { reports } = this.#peer;
    const first = reports.length;
    const periods = Math.ceil(seconds / PERIOD_SECONDS);
    // The first report only marks the start of the window.
    await this.#peer.reported(first + periods + 1, START_MS + 2000 * seconds);
    return windowRates(reports.slice(first, first + periods + 1));
  }

  pause(): void {
    this.#peer.pause();
  }

  resume(): void {
    this.#peer.resume();
  }

  stop(): Promise<void> {
    return this.#peer.stop();
  }
}

/** Rates from the first report to the last. */
export function windowRates(
  reports: readonly Pick<PeerReport, 'seconds' | 'rxPackets' | 'txPackets'>[],
): Rates {
  const first = reports[0];
  const last = reports.at(-1);
  const seconds = reports.slice(1).reduce((sum, report) => sum + (report.seconds ?? 0), 0);
  if (!first || !last || seconds <= 0) throw new RangeError('a window of zero length');
  return {
    rxPps: (last.rxPackets - first.rxPackets) / seconds,
    txPps: (last.txPackets - first.txPackets) / seconds,
  };
}
