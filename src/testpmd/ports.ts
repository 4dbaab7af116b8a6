// SPDX-License-Identifier: BSD-3-Clause
// The ports of a session: which are open, which forward, and the operations behind `port start`, `port stop`,
// `port close` and the statistics commands.
import { setTimeout as sleep } from 'node:timers/promises';
import { ports as openPorts } from '../drivers/registry.ts';
import { PmdError } from '../errors.ts';
import type { Port } from '../ethdev/port.ts';
import type { Forwarding } from './forwarding.ts';
import { UsageError } from './getopt.ts';
import type { Output } from './output.ts';
import { everHas, offloadRefusal } from './port-offloads.ts';
import { hasRings } from './ring-sizes.ts';
import type { Settings } from './settings.ts';
import { linkLine, noLinkLine, portStatsText, type StatsSample } from './text/port-text.ts';

/** The start waits up to 9 s for links, as testpmd does. */
const LINK_CHECKS = 90;
const LINK_CHECK_INTERVAL_MS = 100;

/** What Ports needs from the session. */
export interface PortsHost {
  readonly settings: Settings;
  readonly output: Output;
  readonly forwarding: Forwarding;
  readonly quitting: boolean;
}

/** Bytes of a frame besides its payload: Ethernet header and check sequence. */
const MTU_OVERHEAD = 18;

export class Ports {
  readonly #host: PortsHost;
  readonly #configured = new WeakSet<Port>();
  /** Have settings that are theirs with their next start. */
  readonly #changed = new WeakSet<Port>();
  readonly #samples = new Map<number, StatsSample>();
  #warned = false;

  constructor(host: PortsHost) {
    this.#host = host;
  }

  /** All open ports, by id. */
  get open(): Port[] {
    return openPorts();
  }

  /** The forwarding ports: all open ports, or the open ones among --portlist, --portmask, --nb-ports. */
  get forwarding(): Port[] {
    const { portList, nbPorts } = this.#host.settings;
    const { open } = this;
    const chosen = portList === null ? open : portList.flatMap((id) => open.filter((port) => port.id === id));
    return chosen.slice(0, nbPorts ?? chosen.length);
  }

  /** Checks the options that select ports, once the devices have been probed. Throws UsageError. */
  requireChosen(): void {
    const { portList, nbPorts } = this.#host.settings;
    const open = this.open.length;
    const missing = portList?.find((id) => id >= open);
    if (missing !== undefined)
      throw new UsageError(
        `--portlist or --portmask: there is no port ${missing} (number of ports: ${open})`,
      );
    if ((nbPorts ?? 0) > open)
      throw new UsageError(`option '--nb-ports': nb-ports should be > 0 and <= ${open}`);
  }

  /** --rx-interrupt needs ports with interrupts. Throws a PmdError that names a port without. */
  requireInterrupts(ports: readonly Port[]): void {
    const { rxInterrupt } = this.#host.settings;
    if (rxInterrupt === 'off') return;
    const port = ports.find(({ info }) => !info.rxInterrupts);
    if (!port) return;
    const { name, driver, details } = port.info;
    const how =
      details.Bus === 'uio_pci_generic' ? ': bind it to vfio-pci, or poll' : ': it can only be polled';
    throw new PmdError(
      'VPCI_NO_INTERRUPTS',
      `--rx-interrupt=${rxInterrupt}: port ${port.id} (${name}, ${details.Bus ?? driver}) has no interrupts${how}`,
    );
  }

  /** Once, as testpmd does, when it first pairs an odd number of ports. */
  warnOfOdd(): void {
    const { settings, output } = this.#host;
    if (this.#warned || settings.topology !== 'paired' || this.forwarding.length % 2 === 0) return;
    this.#warned = true;
    output.complain(
      '\nWarning! port-topology=paired and odd forward ports number, the last port will pair with itself.\n',
    );
  }

  /** Ports are configured anew when they start: testpmd says so after some commands. */
  changed(ports: readonly Port[]): void {
    for (const port of ports) this.#changed.add(port);
  }

  /** `port start`; with `configure`, ports that are already configured are configured again. */
  async start(ports: readonly Port[], configure: boolean): Promise<void> {
    const { output } = this.#host;
    let started = 0;
    for (const port of ports) {
      if (port.started) {
        output.complain(`Port ${port.id} is now not stopped`);
        continue;
      }
      this.bringUp(port, configure);
      started++;
    }
    if (started > 0) await this.#checkLinks();
    else if (ports.length > 0) output.complain('Please stop the ports first');
    output.print('Done');
  }

  /** Configures the port if necessary and starts it. */
  bringUp(port: Port, configure = false): void {
    const { output, settings } = this.#host;
    const { soft } = settings;
    const rxQueues = soft.deviceQueues(settings.rxQueues, port.info.maxRxQueues);
    const txQueues = soft.deviceQueues(settings.txQueues, port.info.maxTxQueues);
    const same = port.config.rxQueues === rxQueues && port.config.txQueues === txQueues;
    if (configure || !same || this.#changed.has(port) || !this.#configured.has(port)) {
      output.print(`Configuring Port ${port.id} (socket 0)`);
      const fresh = !this.#configured.has(port);
      if (fresh) this.#adapt(port);
      port.configure({ rxQueues, txQueues });
      if (fresh || !same) this.#noteSpreading(port);
      this.#configured.add(port);
      this.#changed.delete(port);
    }
    port.start();
    soft.of(port).started();
    output.print(`Port ${port.id}: ${soft.macOf(port).toUpperCase()}`);
  }

  /** Applies --rx-offloads, --tx-offloads and --max-pkt-len to a new port. */
  #adapt(port: Port): void {
    const { output, settings } = this.#host;
    for (const role of ['rx', 'tx'] as const) {
      const wanted = settings[`${role}Offloads`];
      if (!everHas(settings, port, role, wanted))
        throw new PmdError('VPCI_ARGUMENT', offloadRefusal(settings, port, role, wanted));
    }
    if (settings.rxDescriptors + settings.txDescriptors > 0 && hasRings(port))
      output.complain(
        `Note: --rxd and --txd have no effect on port ${port.id}: the peer chooses its ring sizes`,
      );
    if (settings.maxPktLen === null) return;
    const mtu = settings.maxPktLen - MTU_OVERHEAD;
    try {
      if (!port.setMtu) throw new RangeError(`the MTU of a ${port.info.driver} port is set by its peer`);
      port.setMtu(mtu);
    } catch (error) {
      output.complain(`Note: --max-pkt-len has no effect on port ${port.id}: ${(error as Error).message}`);
    }
  }

  /** Software spreads packets over queues that a device does not have, not over those that it has. */
  #noteSpreading({ id, config: { rxQueues } }: Port): void {
    const { output, settings } = this.#host;
    const { spreads, rssOption } = settings.soft;
    if (!spreads || rxQueues < 2) return;
    output.complain(
      `Note: --${rssOption} has no effect on port ${id}: its device spreads packets over its ${rxQueues} queues`,
    );
  }

  async stop(ports: readonly Port[], checkLinks: boolean): Promise<void> {
    const { output } = this.#host;
    output.print('Stopping ports...');
    let stopped = 0;
    for (const port of ports) {
      if (this.#busy(port) || !port.started) continue;
      port.stop();
      stopped++;
    }
    if (stopped > 0 && checkLinks) await this.#checkLinks();
    output.print('Done');
  }

  close(ports: readonly Port[]): void {
    const { output } = this.#host;
    output.print('Closing ports...');
    for (const port of ports) {
      if (this.#busy(port)) continue;
      if (port.started) {
        output.complain(`Cannot close started device (port ${port.id})`);
        continue;
      }
      this.closeStopped(port);
    }
    output.print('Done');
  }

  /** `port reset`: each is configured anew when it starts, and what was set in software is forgotten. */
  reset(ports: readonly Port[]): void {
    const { output, settings } = this.#host;
    if (ports.some((port) => port.started)) {
      output.complain('Can not reset port(s), please stop port(s) first.');
      return;
    }
    output.print('Resetting ports...');
    for (const port of ports) {
      if (this.#busy(port)) continue;
      this.#configured.delete(port);
      settings.soft.reset(port);
    }
    output.print('Done');
  }

  /** How many queues a port has: the device's, or software's over them. */
  queues(port: Port, role: 'rx' | 'tx'): number {
    const { soft, rxQueues, txQueues } = this.#host.settings;
    if (role === 'rx') return soft.spreadsPort(port, rxQueues) ? rxQueues : port.config.rxQueues;
    return soft.spreads && txQueues > port.info.maxTxQueues ? txQueues : port.config.txQueues;
  }

  /** Closes a port that is stopped and not used by forwarding. */
  closeStopped(port: Port): void {
    port.close();
    this.#samples.delete(port.id);
    this.#host.output.print(`Port ${port.id} is closed`);
  }

  /** The text of `show port stats`; rates cover the time since the previous call. */
  statsText(port: Port): string {
    const sample = { stats: port.stats(), time: process.hrtime.bigint() };
    const text = portStatsText(port.id, sample, this.#samples.get(port.id));
    this.#samples.set(port.id, sample);
    return text;
  }

  clearStats(port: Port): void {
    port.clearStats();
    this.#host.settings.soft.of(port).clearStats();
    this.#samples.delete(port.id);
    this.#host.forwarding.portStatsCleared(port);
  }

  #busy(port: Port): boolean {
    const { forwarding, output } = this.#host;
    if (!forwarding.uses(port)) return false;
    output.complain(`Please remove port ${port.id} from forwarding configuration.`);
    return true;
  }

  /**
   * As in testpmd: without link events, waits until all links are up and prints a line for each; with them,
   * does not wait.
   */
  async #checkLinks(): Promise<void> {
    const { output, settings } = this.#host;
    if (!settings.linkCheck) return;
    output.print('Checking link statuses...');
    if (settings.lscInterrupt) return;
    const down = () => this.open.some((port) => port.started && !port.link().up);
    for (let i = 0; i < LINK_CHECKS && down() && !this.#host.quitting; i++)
      await sleep(LINK_CHECK_INTERVAL_MS);
    for (const port of this.open) {
      output.print(`Port ${port.id} ${linkLine(port.link())}`);
      if (port.link().reason) output.print(noLinkLine(port));
    }
  }
}
