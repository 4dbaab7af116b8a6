// SPDX-License-Identifier: BSD-3-Clause
// One run of testpmd: its ports from probing to closing, their events, and the order in which things happen.
import { setTimeout as sleep } from 'node:timers/promises';
import { ports as openPorts, probePort } from '../drivers/registry.ts';
import { PmdError } from '../errors.ts';
import type { Port } from '../ethdev/port.ts';
import type { LcorePlace } from '../lcore/lcore-list.ts';
import { Attachment } from './attachment.ts';
import { Forwarding } from './forwarding.ts';
import { UsageError } from './getopt.ts';
import type { Output } from './output.ts';
import { poolSize, type Settings } from './settings.ts';
import { linkLine, noLinkLine, portStatsText, type StatsSample } from './text/port-text.ts';

/** How long the start waits for links, as testpmd: 9 s. */
const LINK_CHECKS = 90;
const LINK_CHECK_INTERVAL_MS = 100;

export class Session {
  readonly settings: Settings;
  readonly output: Output;
  readonly forwarding: Forwarding;
  /** The forwarding lcores. */
  readonly places: readonly LcorePlace[];
  /** Ports whose promiscuous mode was switched off: a word only, as these ports have no filter. */
  readonly notPromiscuous = new Set<number>();
  readonly attachment = new Attachment(this);
  readonly #configured = new WeakSet<Port>();
  readonly #samples = new Map<number, StatsSample>();
  /** The device of the last port was removed. */
  onLastRemoved: () => void = () => {};
  /** A command asks for the commands of a file to be run next. */
  onLoad: (path: string, echo: boolean) => void = () => {};
  readonly #hurry = new AbortController();
  #queue: Promise<void> = Promise.resolve();
  #quitting = false;
  #ended: () => void = () => {};
  /** Resolves once quit() is through. */
  readonly ended: Promise<void> = new Promise((resolve) => {
    this.#ended = resolve;
  });

  constructor(settings: Settings, places: readonly LcorePlace[], output: Output) {
    this.settings = settings;
    this.places = places;
    this.output = output;
    this.forwarding = new Forwarding(settings, places, output);
  }

  /** Runs `job` after all earlier ones: commands, events and signals never overlap. */
  serialize(job: () => void | Promise<void>): Promise<void> {
    const result = this.#queue.then(job);
    this.#queue = result.catch(() => {});
    return result;
  }

  get quitting(): boolean {
    return this.#quitting;
  }

  /** Makes waits end early: a signal came. */
  hurry(): void {
    this.#quitting = true;
    this.#hurry.abort();
  }

  /** Aborted by hurry(). */
  get hurried(): AbortSignal {
    return this.#hurry.signal;
  }

  /** Waits for `job`, however it ends, but not longer than until hurry(). */
  untilHurried(job: Promise<unknown>): Promise<void> {
    const { hurried } = this;
    return new Promise((resolve) => {
      const done = () => {
        hurried.removeEventListener('abort', done);
        resolve();
      };
      if (hurried.aborted) resolve();
      else hurried.addEventListener('abort', done);
      job.then(done, done);
    });
  }

  get ports(): Port[] {
    return openPorts();
  }

  /** The ports that forward: all, or those of --portlist, --portmask, --nb-ports that are open. */
  get forwardingPorts(): Port[] {
    const { portList, nbPorts } = this.settings;
    const open = this.ports;
    const chosen = portList === null ? open : portList.flatMap((id) => open.filter((port) => port.id === id));
    return chosen.slice(0, nbPorts ?? chosen.length);
  }

  /** Probes, configures and starts all devices. Throws a PmdError when one cannot. */
  async init(devices: readonly string[]): Promise<void> {
    for (const device of devices) this.adopt(probePort(device));
    this.#requireChosenPorts();
    this.requireInterrupts(this.ports);
    for (const [i] of this.places.slice(0, this.settings.nbCores).entries()) {
      const { mbufSize } = this.settings;
      const pool = `n=${poolSize(this.settings)}, size=${mbufSize}, socket=0`;
      this.output.complain(`testpmd: create a new mbuf pool <mb_pool_${i}>: ${pool}`);
    }
    if (this.ports.length === 0) this.output.complain('testpmd: No probed ethernet devices');
    if (this.settings.topology === 'paired' && this.forwardingPorts.length % 2 === 1) {
      this.output.complain(
        '\nWarning! port-topology=paired and odd forward ports number, the last port will pair with itself.\n',
      );
    }
    await this.startPorts(this.ports, true);
  }

  /** The options that choose ports cannot be checked before the devices are there. */
  #requireChosenPorts(): void {
    const { portList, nbPorts } = this.settings;
    const open = this.ports.length;
    const missing = portList?.find((id) => id >= open);
    if (missing !== undefined)
      throw new UsageError(`--portlist or --portmask: there is no port ${missing}, of ${open}`);
    if ((nbPorts ?? 0) > open)
      throw new UsageError(`option '--nb-ports': nb-ports should be > 0 and <= ${open}`);
  }

  /** --rx-interrupt needs ports that have interrupts. Throws a PmdError that names one without. */
  requireInterrupts(ports: readonly Port[]): void {
    const { rxInterrupt } = this.settings;
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

  async startPorts(ports: readonly Port[], configure: boolean): Promise<void> {
    let started = 0;
    for (const port of ports) {
      if (port.started) {
        this.output.complain(`Port ${port.id} is now not stopped`);
        continue;
      }
      this.bringUp(port, configure);
      started++;
    }
    if (started > 0) await this.#checkLinks();
    else if (ports.length > 0) this.output.complain('Please stop the ports first');
    this.output.print('Done');
  }

  /** Configures a port where it has to be, and starts it. */
  bringUp(port: Port, configure = false): void {
    const { rxQueues, txQueues } = this.settings;
    const same = port.config.rxQueues === rxQueues && port.config.txQueues === txQueues;
    if (configure || !same || !this.#configured.has(port)) {
      this.output.print(`Configuring Port ${port.id} (socket 0)`);
      port.configure({ rxQueues, txQueues });
      this.#configured.add(port);
    }
    port.start();
    this.output.print(`Port ${port.id}: ${port.info.mac.toUpperCase()}`);
  }

  async stopPorts(ports: readonly Port[], checkLinks: boolean): Promise<void> {
    this.output.print('Stopping ports...');
    let stopped = 0;
    for (const port of ports) {
      if (this.#busy(port) || !port.started) continue;
      port.stop();
      stopped++;
    }
    if (stopped > 0 && checkLinks) await this.#checkLinks();
    this.output.print('Done');
  }

  closePorts(ports: readonly Port[]): void {
    this.output.print('Closing ports...');
    for (const port of ports) {
      if (this.#busy(port)) continue;
      if (port.started) {
        this.output.complain(`Cannot close started device (port ${port.id})`);
        continue;
      }
      this.closePort(port);
    }
    this.output.print('Done');
  }

  /** A stopped one. */
  closePort(port: Port): void {
    port.close();
    this.#samples.delete(port.id);
    this.output.print(`Port ${port.id} is closed`);
  }

  /** The text of `show port stats`; rates are since the last time. */
  statsText(port: Port): string {
    const sample = { stats: port.stats(), time: process.hrtime.bigint() };
    const text = portStatsText(port.id, sample, this.#samples.get(port.id));
    this.#samples.set(port.id, sample);
    return text;
  }

  clearStats(port: Port): void {
    port.clearStats();
    this.#samples.delete(port.id);
    this.forwarding.portStatsCleared(port);
  }

  /** The command `stop`. */
  async stopForwarding(): Promise<void> {
    this.attachment.stopped();
    await this.forwarding.stop();
  }

  /** Stops, closes, says goodbye. */
  async quit(): Promise<void> {
    this.#quitting = true;
    this.attachment.close();
    if (this.forwarding.running) await this.forwarding.stop();
    for (const port of this.ports) {
      this.output.print(`\nStopping port ${port.id}...`);
      await this.stopPorts([port], false);
    }
    for (const port of this.ports) {
      this.output.print(`\nShutting down port ${port.id}...`);
      this.closePorts([port]);
    }
    this.output.print('\nBye...');
    this.#ended();
  }

  #busy(port: Port): boolean {
    if (!this.forwarding.uses(port)) return false;
    this.output.complain(`Please remove port ${port.id} from forwarding configuration.`);
    return true;
  }

  /** Follows a port's events from its probing on. */
  adopt(port: Port): void {
    port.on('link', () => {
      this.forwarding.linkChanged();
      if (this.settings.lscInterrupt && !this.#quitting) {
        this.output.event(`\nPort ${port.id}: link state change event`);
      }
    });
    port.on('reason', () => {
      if (this.settings.lscInterrupt && !this.#quitting) {
        this.output.event(`\n${noLinkLine(port)}`);
      }
    });
    port.on('removed', () => {
      if (this.#quitting) return;
      this.output.event(`\nPort ${port.id}: device removal event`);
      void this.serialize(() => this.attachment.removed(port));
    });
  }

  /** With link events one look, without them a wait until all are up and a line for each, as in testpmd. */
  async #checkLinks(): Promise<void> {
    if (!this.settings.linkCheck) return;
    this.output.print('Checking link statuses...');
    if (this.settings.lscInterrupt) return;
    const down = () => this.ports.some((port) => port.started && !port.link().up);
    for (let i = 0; i < LINK_CHECKS && down() && !this.#quitting; i++) await sleep(LINK_CHECK_INTERVAL_MS);
    for (const port of this.ports) {
      this.output.print(`Port ${port.id} ${linkLine(port.link())}`);
      if (port.link().reason) this.output.print(noLinkLine(port));
    }
  }
}
