// SPDX-License-Identifier: BSD-3-Clause
// Guests with stock virtio-net ports: all of them in one dpdk-testpmd, whose only loop polls every port.
// Guests that share a CPU as processes would wait for the scheduler; this is the best way to share it.
import { setTimeout as sleep } from 'node:timers/promises';
import { PmdError } from '../../../src/errors.ts';
import { DpdkTestpmd } from '../../run/dpdk-testpmd.ts';
import type { Testpmd } from '../../run/testpmd.ts';
import type { Rates } from '../../run/testpmd-output.ts';
import type { Workspace } from '../../run/workspace.ts';
import { runBoundMs, type Settings, START_MS } from '../settings.ts';
import { PromptPeer } from './peers.ts';

export interface GuestsOptions {
  /** A virtio-net port for each; the first two are a guest's, and so on. */
  readonly sockets: readonly string[];
  readonly forwardMode: string;
  readonly burst: number;
  readonly size: number;
  /** VIRTIO_NET_F_MRG_RXBUF. */
  readonly mergeable: boolean;
  /** Bursts that each port sends first, which then circulate; 0: others send. */
  readonly txFirst: number;
  /** Ports at which packets arrive: the rate is that of each. */
  readonly receivers: number;
  /** Called once the guests' rings are enabled, before they send. */
  readonly connected?: () => Promise<void>;
  /** At the end, count the packets that go round. */
  readonly countInFlight?: boolean;
}

/** A switch polls a guest's ring some time after the guest has enabled it; until then packets are lost. */
const SETTLE_SECONDS = 0.6;
/** Starts until packets arrive at every port. */
const ATTEMPTS = 5;

/** A port's address, so that a switch that learns addresses can. */
const addressOf = (port: number): string => `02:00:00:00:00:${(0xa0 + port).toString(16)}`;

export class VirtioGuests extends PromptPeer<DpdkTestpmd> {
  readonly #options: GuestsOptions;
  #inFlight: number | undefined;
  #sent = 0;
  #received = 0;

  constructor(settings: Settings, workspace: Workspace, options: GuestsOptions) {
    const { queueSize, packed, peerCpu, hugepages } = settings;
    const { sockets, forwardMode, burst, size, mergeable } = options;
    const ring = `queues=1,queue_size=${queueSize},packed_vq=${Number(packed)},mrg_rxbuf=${Number(mergeable)}`;
    const testpmd = new DpdkTestpmd({
      vdevs: sockets.map(
        (path, port) => `net_virtio_user${port},path=${path},mac=${addressOf(port)},${ring}`,
      ),
      ...{ interactive: true, forwardMode, burst, frameSize: size },
      ...{ ringSize: queueSize, cpu: peerCpu, hugepages },
      more: [
        // What another guest has sent already is not for the bin.
        '--no-flush-rx',
        ...sockets.map((_, port) => `--eth-peer=${port},${addressOf(beyond(port, sockets.length))}`),
      ],
      name: 'dpdk-testpmd (the guests)',
      runtimeFolder: workspace.folder,
      maxRunMs: runBoundMs(settings),
    });
    super(testpmd);
    this.#options = options;
  }

  override get dpdkVersion(): string | undefined {
    return this.testpmd.version;
  }

  /** Resolves when packets arrive at every port, if these guests send any. Throws VPCI_NO_TRAFFIC. */
  override async start(): Promise<void> {
    await this.testpmd.prompt(START_MS);
    await this.#options.connected?.();
    if (this.#options.txFirst === 0) return this.testpmd.startForwarding(START_MS);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await sleep(1000 * SETTLE_SECONDS);
      await this.testpmd.startForwarding(START_MS, this.#options.txFirst);
      await sleep(1000 * SETTLE_SECONDS);
      await this.testpmd.statistics(START_MS);
      await sleep(1000 * SETTLE_SECONDS);
      const ports = await this.testpmd.statistics(START_MS);
      if (ports.every(({ rxPps }) => rxPps > 0)) return;
      await this.testpmd.stopForwarding(START_MS);
    }
    throw new PmdError('VPCI_NO_TRAFFIC', 'packets do not arrive at every guest');
  }

  /** Known after stop(), if they were to be counted. */
  get inFlight(): number | undefined {
    return this.#inFlight;
  }

  override async stop(): Promise<void> {
    if (this.#options.countInFlight && this.testpmd.exit === undefined) {
      this.resume();
      this.#inFlight = await drained([this.testpmd]);
    }
    await super.stop();
  }

  /** Share of what all ports sent that arrived at none, over all windows. */
  get lost(): number {
    return this.#sent === 0 ? 0 : Math.max(0, 1 - this.#received / this.#sent);
  }

  /** What arrives at a port: what was lost on the way is in no figure. */
  override async measure(seconds: number): Promise<Rates> {
    const { rxPps, txPps } = await super.measure(seconds);
    this.#sent += txPps;
    this.#received += rxPps;
    return { rxPps: rxPps / this.#options.receivers, txPps: rxPps / this.#options.receivers };
  }
}

/** Stops packets that go round: forwards no longer, so that all of them end, and counts them. */
export async function drained(guests: readonly Testpmd[]): Promise<number> {
  for (const guest of guests) await guest.stopForwarding(START_MS);
  for (const guest of guests) {
    await guest.command('set fwd rxonly', START_MS);
    await guest.startForwarding(START_MS);
  }
  await sleep(1000 * SETTLE_SECONDS);
  for (const guest of guests) await guest.stopForwarding(START_MS);
  return guests.reduce((sum, { total }) => sum + (total?.rxPackets ?? 0), 0);
}

/** Of a ring of guests with two ports each: the port at the other end of a port's link. */
export const beyond = (port: number, ports: number): number =>
  port % 2 === 1 ? (port + 1) % ports : (port + ports - 1) % ports;
