// SPDX-License-Identifier: BSD-3-Clause
// The peer of the demo, built-in or DPDK's: a child process that is asked each second what passed.
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../run/child.ts';
import { dpdkCommand, requireDpdk } from '../run/dpdk.ts';
import { ourProgram } from '../run/programs.ts';
import type { Workspace } from '../run/workspace.ts';
import type { DemoOptions, ForwardMode } from './options.ts';

/** Totals since the start. */
export interface Sample {
  /** Seconds since the sample before. */
  readonly seconds: number;
  readonly sent: number;
  readonly received: number;
  /** Only from a peer that checks what it receives. */
  readonly checks?: {
    /** Frames that are missing for good: gaps in the sequence while traffic flows, exact in the last sample. */
    readonly lost: number;
    /** Frames with a wrong checksum, or that nobody sent. */
    readonly bad: number;
  };
}

export interface Traffic {
  readonly child: Child;
  /** Waits for the next sample, about a second. */
  next(): Promise<Sample>;
  /** Sends no more, waits for what is on its way, and tells the totals. */
  finish(): Promise<Sample>;
}

/** Milliseconds that a peer may take to start, and to end. */
const PATIENCE_MS = 60_000;

export function startTraffic(
  options: DemoOptions,
  socket: string,
  cpu: number,
  workspace: Workspace,
): Traffic {
  return options.peer === 'builtin'
    ? new BuiltinTraffic(options, socket, cpu)
    : new DpdkTraffic(options, socket, cpu, workspace);
}

/** Far more than it takes; --interactive has no bound but the user's. */
export const maxRunMs = (options: DemoOptions): number =>
  options.interactive ? 2 ** 31 - 1 : 1000 * options.duration + 4 * PATIENCE_MS;

/** What the built-in peer does while the PMD is in a mode. */
export function peerMode(mode: ForwardMode): 'generate' | 'sink' | 'both' {
  if (mode === 'rxonly') return 'generate';
  return mode === 'txonly' ? 'sink' : 'both';
}

/** What the peer prints with --json. */
interface PeerLine {
  readonly final?: true;
  readonly seconds?: number;
  readonly txPackets: number;
  readonly rxPackets: number;
  readonly badChecksum: number;
  readonly outOfSequence: number;
  readonly badFrame: number;
  readonly ringErrors: number;
  readonly missing: number;
}

class BuiltinTraffic implements Traffic {
  readonly child: Child;
  readonly #checks: boolean;
  readonly #lines: PeerLine[] = [];
  #taken = 0;

  constructor(options: DemoOptions, socket: string, cpu: number) {
    const mode = peerMode(options.forwardMode);
    this.#checks = mode === 'both';
    const command = [
      ...ourProgram('vhost-pci-peer'),
      ...['--vhost-user', socket, '--mode', mode, '--size', `${options.size}`, '--burst', `${options.burst}`],
      ...[
        '--queues',
        `${options.queues}`,
        '--cpu',
        `${cpu}`,
        '--no-reconnect',
        '--json',
        '--stats-period',
        '1',
      ],
      ...(this.#checks ? [] : ['--no-check']),
    ];
    this.child = new Child({ name: 'vhost-pci-peer', command, maxRunMs: maxRunMs(options) });
    this.child.onLine((line) => {
      if (line.startsWith('{')) this.#lines.push(JSON.parse(line) as PeerLine);
    });
  }

  async next(): Promise<Sample> {
    await this.child.until(() => this.#lines.length > this.#taken, PATIENCE_MS, 'it printed statistics');
    return this.#sample(this.#lines[this.#taken++] as PeerLine);
  }

  async finish(): Promise<Sample> {
    await this.child.stop();
    const last = this.#lines.at(-1);
    if (!last?.final) throw this.child.failure(`ended (${this.child.exit}) without its totals`);
    return this.#sample(last);
  }

  #sample(line: PeerLine): Sample {
    const totals = { seconds: line.seconds ?? 0, sent: line.txPackets, received: line.rxPackets };
    if (!this.#checks) return totals;
    const lost = line.final ? line.missing : line.outOfSequence;
    return { ...totals, checks: { lost, bad: line.badChecksum + line.badFrame + line.ringErrors } };
  }
}

/** What DPDK's testpmd does while the PMD is in a mode: it has no way to check contents. */
const DPDK_MODES = { rxonly: 'txonly', txonly: 'rxonly', io: 'io', mac: 'io', macswap: 'io' } as const;

class DpdkTraffic implements Traffic {
  readonly child: Child;
  readonly #options: DemoOptions;
  #started = false;
  #last = performance.now();

  constructor(options: DemoOptions, socket: string, cpu: number, workspace: Workspace) {
    requireDpdk();
    this.#options = options;
    const { queues } = options;
    const command = dpdkCommand({
      vdevs: [`net_virtio_user0,path=${socket},queues=${queues},queue_size=256`],
      cpu,
      hugepages: false,
      filePrefix: `vpcis${process.pid}`,
      testpmd: [
        ...['-i', `--forward-mode=${DPDK_MODES[options.forwardMode]}`, `--burst=${options.burst}`],
        ...[`--rxq=${queues}`, `--txq=${queues}`, '--rxd=256', '--txd=256', `--txpkts=${options.size}`],
      ],
    });
    const env = { RUNTIME_DIRECTORY: workspace.folder };
    this.child = new Child({ name: 'dpdk-testpmd', command, env, maxRunMs: maxRunMs(options) });
    // With a prompt for the user nobody asks for samples: begin by ourselves.
    void this.#begin().catch(() => {});
  }

  async next(): Promise<Sample> {
    await this.child.until(() => this.#started, PATIENCE_MS, 'it forwarded packets');
    await sleep(Math.max(0, this.#last + 1000 - performance.now()));
    return this.#show();
  }

  async finish(): Promise<Sample> {
    const from = this.child.printed;
    this.child.write('stop');
    await this.child.waitFor(/Done\./, PATIENCE_MS, from);
    const totals = await this.#show();
    this.child.write('quit');
    if (!(await this.child.ended(PATIENCE_MS))) await this.child.stop();
    return totals;
  }

  async #begin(): Promise<void> {
    await this.child.waitFor(/testpmd> /, PATIENCE_MS);
    const goesRound = DPDK_MODES[this.#options.forwardMode] === 'io';
    this.child.write(goesRound ? 'start tx_first 32' : 'start');
    await this.child.waitFor(/packet forwarding - ports=1/, PATIENCE_MS);
    this.#last = performance.now();
    this.#started = true;
  }

  async #show(): Promise<Sample> {
    const from = this.child.printed;
    this.child.write('show port stats 0');
    const match = await this.child.waitFor(
      /RX-packets: +(\d+)[\s\S]*?TX-packets: +(\d+)[\s\S]*?Tx-pps/,
      PATIENCE_MS,
      from,
    );
    const seconds = (performance.now() - this.#last) / 1000;
    this.#last = performance.now();
    return { seconds, received: Number(match[1]), sent: Number(match[2]) };
  }
}
