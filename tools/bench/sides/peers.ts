// SPDX-License-Identifier: BSD-3-Clause
// The instrument: a virtio-net driver that connects to a vhost-user socket, makes or takes traffic, and tells its rates. It
// is the same for every back-end that is measured.
import { setTimeout as sleep } from 'node:timers/promises';
import { PmdError } from '../../../src/errors.ts';
import { Child } from '../../run/child.ts';
import { dpdkCommand } from '../../run/dpdk.ts';
import { ourProgram } from '../../run/programs.ts';
import { dpdkVersion, forwardsOn, type Rates, ratesOf, ratesOfPorts } from '../../run/testpmd-output.ts';
import type { Workspace } from '../../run/workspace.ts';
import { type Case, type Direction, ROLES } from '../cases.ts';
import { BURST, type PeerKind, runBoundMs, type Settings, START_MS } from '../settings.ts';

export interface BenchPeer {
  /** Connects to the back-end and starts the traffic. */
  start(): Promise<void>;
  /** Rates over a window of at least this many seconds that starts now. */
  measure(seconds: number): Promise<Rates>;
  /** Holds it where it is, so that it needs no CPU, until resume() or stop(). */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
  readonly pid: number | undefined;
  /** DPDK's version, when it is DPDK and has told it. */
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

/** Two of DPDK's processes that run at a time may not have one name. */
let peersStarted = 0;
/** Milliseconds for testpmd to obey 'quit'. */
const QUIT_MS = 5000;

/** DPDK's testpmd at its prompt: "show port stats" tells the rates since it was last asked, by testpmd's own clock. */
class DpdkPeer implements BenchPeer {
  readonly #child: Child;
  readonly #case: Case;

  constructor(settings: Settings, wanted: Case, sockets: readonly string[], workspace: Workspace) {
    this.#case = wanted;
    const ring = `queues=1,queue_size=${settings.queueSize},packed_vq=${Number(settings.packed)}`;
    const command = dpdkCommand({
      vdevs: sockets.map((socket, port) => `net_virtio_user${port},path=${socket},${ring}`),
      cpu: settings.peerCpu,
      hugepages: settings.hugepages,
      filePrefix: `vpcip${process.pid}x${peersStarted++}`,
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
    const from = this.#child.printed;
    // Packets that go round and round have to come from somewhere.
    const { peer } = ROLES[this.#case.direction];
    this.#child.write(peer === 'io' ? 'start tx_first 32' : 'start');
    await this.#child.waitFor(forwardsOn(ROLES[this.#case.direction].ports), START_MS, from);
  }

  async measure(seconds: number): Promise<Rates> {
    await this.#show();
    await sleep(1000 * seconds);
    return this.#show();
  }

  pause(): void {
    this.#child.pause();
  }

  resume(): void {
    this.#child.resume();
  }

  async stop(): Promise<void> {
    this.resume();
    this.#child.write('quit');
    if (!(await this.#child.ended(QUIT_MS))) await this.#child.stop();
  }

  async #show(): Promise<Rates> {
    const from = this.#child.printed;
    this.#child.write('show port stats all');
    const { ports } = ROLES[this.#case.direction];
    return ratesOf(await this.#child.waitFor(ratesOfPorts(ports), START_MS, from));
  }
}

/** What the built-in peer prints with --json: totals, and the seconds since the line before. */
export interface PeerLine {
  readonly seconds: number;
  readonly txPackets: number;
  readonly rxPackets: number;
}

const PERIOD_SECONDS = 0.1;
const MODES: Readonly<Partial<Record<Direction, string>>> = {
  rx: 'generate',
  tx: 'sink',
  io: 'both',
  macswap: 'both',
};

/** Throws VPCI_BENCH for a case that this peer cannot take part in. */
export function requirePeerFor(peer: PeerKind, cases: readonly Case[]): void {
  const wanted = cases.find(({ direction }) => MODES[direction] === undefined);
  if (peer === 'builtin' && wanted)
    throw new PmdError('VPCI_BENCH', `${wanted.name}: the built-in peer has one port, use --peer dpdk`);
}

class BuiltinPeer implements BenchPeer {
  readonly dpdkVersion = undefined;
  readonly #child: Child;
  readonly #lines: PeerLine[] = [];

  constructor(settings: Settings, { direction, size }: Case, sockets: readonly string[]) {
    const command = [
      ...ourProgram('vhost-pci-peer'),
      ...['--vhost-user', `${sockets[0]}`, '--mode', `${MODES[direction]}`, '--size', `${size}`],
      ...['--queue-size', `${settings.queueSize}`, '--burst', `${BURST}`, '--cpu', `${settings.peerCpu}`],
      ...['--no-check', '--no-reconnect', '--json', '--stats-period', `${PERIOD_SECONDS}`],
      ...(settings.hugepages ? ['--hugepages'] : []),
      ...(settings.packed ? ['--packed'] : []),
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

  pause(): void {
    this.#child.pause();
  }

  resume(): void {
    this.#child.resume();
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
