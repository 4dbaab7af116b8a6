// SPDX-License-Identifier: BSD-3-Clause
// The instrument: a virtio-net driver that connects to a vhost-user socket, makes or takes traffic, and tells its rates. It
// is the same for every back-end that is measured.
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../run/child.ts';
import { dpdkCommand } from '../run/dpdk.ts';
import { ourProgram } from '../run/programs.ts';
import type { Workspace } from '../run/workspace.ts';
import { type Case, ROLES } from './cases.ts';
import { BURST, runBoundMs, type Settings, START_MS } from './settings.ts';
import { dpdkVersion, RATES, type Rates, ratesOf } from './testpmd-output.ts';

export interface BenchPeer {
  /** Connects to the back-end and starts the traffic. */
  start(): Promise<void>;
  /** Rates over a window of this many seconds that starts now. */
  measure(seconds: number): Promise<Rates>;
  stop(): Promise<void>;
  readonly pid: number | undefined;
  /** DPDK's version, when it is DPDK and has told it. */
  readonly dpdkVersion: string | undefined;
}

export function createPeer(
  settings: Settings,
  wanted: Case,
  socket: string,
  workspace: Workspace,
): BenchPeer {
  return settings.peer === 'dpdk'
    ? new DpdkPeer(settings, wanted, socket, workspace)
    : new BuiltinPeer(settings, wanted, socket);
}

/** Milliseconds for testpmd to obey 'quit'. */
const QUIT_MS = 5000;

/** DPDK's testpmd at its prompt: "show port stats" tells the rates since it was last asked, by testpmd's own clock. */
class DpdkPeer implements BenchPeer {
  readonly #child: Child;
  readonly #direction: Case['direction'];

  constructor(settings: Settings, wanted: Case, socket: string, workspace: Workspace) {
    this.#direction = wanted.direction;
    const command = dpdkCommand({
      vdevs: [`net_virtio_user0,path=${socket},queues=1,queue_size=${settings.queueSize}`],
      cpu: settings.peerCpu,
      hugepages: settings.hugepages,
      filePrefix: `vpcip${process.pid}`,
      testpmd: [
        '-i',
        `--forward-mode=${ROLES[wanted.direction].peer}`,
        `--burst=${BURST}`,
        `--rxd=${settings.queueSize}`,
        `--txd=${settings.queueSize}`,
        `--txpkts=${wanted.size}`,
      ],
    });
    this.#child = new Child({
      name: 'dpdk-testpmd (the peer)',
      command,
      env: { RUNTIME_DIRECTORY: workspace.folder },
      maxRunMs: runBoundMs(settings),
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get dpdkVersion(): string | undefined {
    return dpdkVersion(this.#child.output + this.#child.errors);
  }

  async start(): Promise<void> {
    await this.#child.waitFor(/testpmd> /, START_MS);
    const from = this.#child.output.length;
    // In io mode, packets that go round and round have to come from somewhere.
    this.#child.write(this.#direction === 'io' ? 'start tx_first 32' : 'start');
    await this.#child.waitFor(/packet forwarding - ports=1/, START_MS, from);
  }

  async measure(seconds: number): Promise<Rates> {
    await this.#show();
    await sleep(1000 * seconds);
    return this.#show();
  }

  async stop(): Promise<void> {
    this.#child.write('quit');
    if (!(await this.#child.ended(QUIT_MS))) await this.#child.stop();
  }

  async #show(): Promise<Rates> {
    const from = this.#child.output.length;
    this.#child.write('show port stats 0');
    return ratesOf(await this.#child.waitFor(RATES, START_MS, from));
  }
}

/** What the built-in peer prints with --json: totals, and the seconds since the line before. */
export interface PeerLine {
  readonly seconds: number;
  readonly txPackets: number;
  readonly rxPackets: number;
}

const PERIOD_SECONDS = 0.5;
const MODES = { rx: 'generate', tx: 'sink', io: 'both' } as const;

class BuiltinPeer implements BenchPeer {
  readonly dpdkVersion = undefined;
  readonly #child: Child;
  readonly #lines: PeerLine[] = [];

  constructor(settings: Settings, wanted: Case, socket: string) {
    const command = [
      ...ourProgram('vhost-pci-peer'),
      ...['--vhost-user', socket, '--mode', MODES[wanted.direction], '--size', `${wanted.size}`],
      ...['--queue-size', `${settings.queueSize}`, '--burst', `${BURST}`, '--cpu', `${settings.peerCpu}`],
      ...['--no-check', '--no-reconnect', '--json', '--stats-period', `${PERIOD_SECONDS}`],
      ...(settings.hugepages ? ['--hugepages'] : []),
    ];
    this.#child = new Child({ name: 'vhost-pci-peer', command, maxRunMs: runBoundMs(settings) });
    this.#child.onLine((line) => {
      const stats = parsePeerLine(line);
      if (stats) this.#lines.push(stats);
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  start(): Promise<void> {
    return this.#child.until(() => this.#lines.length > 0, START_MS, 'it printed statistics');
  }

  async measure(seconds: number): Promise<Rates> {
    const first = this.#lines.length;
    const periods = Math.ceil(seconds / PERIOD_SECONDS);
    // The first line of the window only tells where it starts.
    const arrived = () => this.#lines.length > first + periods;
    await this.#child.until(arrived, START_MS + 2000 * seconds, 'it printed statistics');
    return windowRates(this.#lines.slice(first, first + periods + 1));
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}

/** One period's line; undefined for the final line and for what is none. */
export function parsePeerLine(line: string): PeerLine | undefined {
  if (!line.startsWith('{')) return undefined;
  const stats = JSON.parse(line) as PeerLine;
  return typeof stats.seconds === 'number' ? stats : undefined;
}

/** Rates from the first line to the last. */
export function windowRates(lines: readonly PeerLine[]): Rates {
  const first = lines[0];
  const last = lines.at(-1);
  const seconds = lines.slice(1).reduce((sum, line) => sum + line.seconds, 0);
  if (!first || !last || seconds <= 0) throw new RangeError('a window of no time');
  return {
    rxPps: (last.rxPackets - first.rxPackets) / seconds,
    txPps: (last.txPackets - first.txPackets) / seconds,
  };
}
