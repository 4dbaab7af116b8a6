// SPDX-License-Identifier: BSD-3-Clause
// One run of testpmd, from probing its ports to closing them: handles their events and serializes commands,
// events and signals.
import { probePort } from '../drivers/registry.ts';
import type { Port } from '../ethdev/port.ts';
import { Attachment } from './attachment.ts';
import { Forwarding } from './forwarding.ts';
import type { Lcores } from './lcores.ts';
import { LinkTeller } from './link-teller.ts';
import type { Output } from './output.ts';
import { Ports } from './ports.ts';
import { poolSize, type Settings } from './settings.ts';

export class Session {
  readonly settings: Settings;
  readonly output: Output;
  readonly forwarding: Forwarding;
  readonly lcores: Lcores;
  readonly ports = new Ports(this);
  readonly attachment = new Attachment(this);
  /** Called when the last port's device was removed. */
  onLastRemoved: () => void = () => {};
  /** Called by `load`, to run the commands of a file next. */
  onLoad: (path: string, echo: boolean) => void = () => {};
  readonly #hurry = new AbortController();
  #queue: Promise<void> = Promise.resolve();
  #quitting = false;
  #ended: () => void = () => {};
  /** Resolves once quit() has finished. */
  readonly ended: Promise<void> = new Promise((resolve) => {
    this.#ended = resolve;
  });

  constructor(settings: Settings, lcores: Lcores, output: Output) {
    this.settings = settings;
    this.lcores = lcores;
    this.output = output;
    this.forwarding = new Forwarding(settings, lcores.forwarding, output, this.#hurry.signal);
  }

  /** Runs `job` after all earlier jobs: commands, events and signals never overlap. */
  serialize(job: () => void | Promise<void>): Promise<void> {
    const result = this.#queue.then(job);
    this.#queue = result.catch(() => {});
    return result;
  }

  get quitting(): boolean {
    return this.#quitting;
  }

  /** Cuts waits short because a signal arrived. */
  hurry(): void {
    this.#quitting = true;
    this.#hurry.abort();
  }

  /** Aborted by hurry(). */
  get hurried(): AbortSignal {
    return this.#hurry.signal;
  }

  /** Waits until `job` settles or hurry() is called. */
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

  /** Probes, configures and starts all devices. Throws a PmdError if one fails. */
  async init(devices: readonly string[]): Promise<void> {
    for (const device of devices) this.adopt(probePort(device));
    this.ports.requireChosen();
    this.ports.requireInterrupts(this.ports.open);
    for (const [i] of this.lcores.forwarding.slice(0, this.settings.nbCores).entries()) {
      const { mbufSize } = this.settings;
      const pool = `n=${poolSize(this.settings)}, size=${mbufSize}, socket=0`;
      this.output.complain(`testpmd: create a new mbuf pool <mb_pool_${i}>: ${pool}`);
    }
    if (this.ports.open.length === 0) this.output.complain('testpmd: No probed ethernet devices');
    this.ports.warnOfOdd();
    await this.ports.start(this.ports.open, true);
  }

  /** The command `stop`. */
  async stopForwarding(): Promise<void> {
    this.attachment.stopped();
    await this.forwarding.stop();
  }

  /** Stops forwarding, then stops and closes all ports. */
  async quit(): Promise<void> {
    this.#quitting = true;
    this.attachment.close();
    if (this.forwarding.running) await this.forwarding.stop();
    for (const port of this.ports.open) {
      this.output.print(`\nStopping port ${port.id}...`);
      await this.ports.stop([port], false);
    }
    for (const port of this.ports.open) {
      this.output.print(`\nShutting down port ${port.id}...`);
      this.ports.close([port]);
    }
    this.output.print('\nBye...');
    this.#ended();
  }

  /** Subscribes to the events of a newly probed port. */
  adopt(port: Port): void {
    const isTold = () => this.settings.lscInterrupt && !this.#quitting && this.ports.open.includes(port);
    const teller = new LinkTeller(port, (line) => {
      if (isTold()) this.output.event(line);
    });
    port.on('link', () => {
      this.forwarding.linkChanged();
      if (isTold()) teller.linkChanged();
    });
    port.on('reason', () => {
      if (isTold()) teller.reasonChanged();
    });
    port.on('removed', () => {
      if (this.#quitting) return;
      this.output.event(`\nPort ${port.id}: device removal event`);
      void this.serialize(() => this.attachment.removed(port));
    });
  }
}
