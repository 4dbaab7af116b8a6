// SPDX-License-Identifier: BSD-3-Clause
// Ports that come and go during a session: port attach and detach, device removal, and a removed device's
// return with --hot-plug.
import { canComeBack, deviceName, deviceOf, isDeviceBack, probePort } from '../drivers/registry.ts';
import type { Port } from '../ethdev/port.ts';
import type { Forwarding } from './forwarding.ts';
import { type Absent, HotPlug } from './hot-plug.ts';
import type { Output } from './output.ts';
import type { Ports } from './ports.ts';
import type { Settings } from './settings.ts';

/** What Attachment needs from the session. */
export interface AttachmentHost {
  readonly settings: Settings;
  readonly output: Output;
  readonly forwarding: Forwarding;
  readonly quitting: boolean;
  readonly ports: Ports;
  serialize(job: () => void | Promise<void>): Promise<void>;
  adopt(port: Port): void;
  onLastRemoved(): void;
}

export class Attachment {
  readonly #session: AttachmentHost;
  readonly #hotPlug = new HotPlug(isDeviceBack, (absent) => this.#comesBack(absent));
  /** The last error for each absent device, so that the same error is not reported twice in a row. */
  readonly #refusals = new Map<string, string>();

  constructor(session: AttachmentHost) {
    this.#session = session;
  }

  /** `port attach`: opens the port. It forwards once it has been started and forwarding is started again. */
  attach(device: string): void {
    const { output } = this.#session;
    output.print('Attaching a new port...');
    try {
      const absent = this.#hotPlug.find(deviceName(device));
      const port = this.#probe(device, absent?.id);
      if (absent) this.#hotPlug.forget(absent);
      this.#joinForwarding(port);
      output.print(
        `Port ${port.id} is attached. Now total ports is ${this.#session.ports.open.length}\nDone`,
      );
    } catch (error) {
      output.complain(`Failed to attach port ${device}: ${(error as Error).message}`);
    }
  }

  /** `port detach` and `device detach`; `name` is the device name as the user typed it. */
  detach(port: Port, name = ''): void {
    const { output } = this.#session;
    output.print('Removing a device...');
    if (port.started) {
      output.complain(name === '' ? 'Port not stopped' : `Port ${port.id} not stopped`);
      return;
    }
    if (name === '') output.complain('Port was not closed');
    this.#session.ports.closeStopped(port);
    const ports = this.#session.ports.open.length;
    output.print(`Device ${name === '' ? '' : `${name} `}is detached\nNow total ports is ${ports}\nDone`);
  }

  /** A port's device was removed. The other ports keep forwarding. */
  async removed(port: Port): Promise<void> {
    const session = this.#session;
    if (session.quitting || !session.ports.open.includes(port)) return;
    const { hotPlug, interactive } = session.settings;
    const { forwarding } = session;
    const used = forwarding.uses(port);
    const device = deviceOf(port);
    const absent = { id: port.id, name: port.info.name, device, started: port.started, forwarding: used };
    if (used) await forwarding.stop();
    await session.ports.stop([port], false);
    session.ports.close([port]);
    if (used && session.ports.forwarding.length > 0) await forwarding.start(session.ports.forwarding, 0);
    session.output.event(`Now total ports is ${session.ports.open.length}`);
    if (hotPlug && canComeBack(device)) {
      session.output.complain(`testpmd: port ${port.id} is waiting for its device to come back: ${device}`);
      if (!session.quitting) this.#hotPlug.watch(absent);
    } else if (interactive) {
      session.output.complain(
        `testpmd: to attach port ${port.id} again once its device is back: port attach ${device}`,
      );
    }
    if (session.ports.open.length === 0) session.onLastRemoved();
  }

  /** The user stopped forwarding. */
  stopped(): void {
    this.#hotPlug.stopped();
  }

  close(): void {
    this.#hotPlug.close();
  }

  #probe(device: string, id?: number): Port {
    const port = probePort(device, { id, reserved: this.#hotPlug.reserved });
    try {
      this.#session.ports.requireInterrupts([port]);
    } catch (error) {
      port.close();
      throw error;
    }
    this.#session.adopt(port);
    return port;
  }

  /** As in testpmd, a new port joins the forwarding ports even if they were selected explicitly. */
  #joinForwarding({ id }: Port): void {
    const { settings, ports } = this.#session;
    if (settings.portList === null && settings.nbPorts === null) return;
    settings.portList = [...new Set([...ports.forwarding.map((port) => port.id), id])];
    settings.nbPorts = null;
  }

  async #comesBack(absent: Absent): Promise<boolean> {
    let taken = false;
    await this.#session.serialize(async () => {
      taken = this.#session.quitting || (await this.#take(absent));
    });
    return taken;
  }

  async #take(absent: Absent): Promise<boolean> {
    const session = this.#session;
    const { forwarding, output } = session;
    // The user attached it while this job was queued.
    if (session.ports.open.some((port) => port.info.name === absent.name)) return true;
    try {
      const port = this.#probe(absent.device, absent.id);
      try {
        if (absent.started) session.ports.bringUp(port);
      } catch (error) {
        port.close();
        throw error;
      }
      this.#refusals.delete(absent.name);
      output.event(`\nPort ${port.id} is attached. Now total ports is ${session.ports.open.length}`);
    } catch (error) {
      const { message } = error as Error;
      if (this.#refusals.get(absent.name) !== message)
        output.complain(`Failed to attach port ${absent.device}: ${message}; will retry`);
      this.#refusals.set(absent.name, message);
      return false;
    }
    if (!absent.forwarding || !session.ports.forwarding.some(({ id }) => id === absent.id)) return true;
    if (forwarding.running) await forwarding.stop();
    await forwarding.start(session.ports.forwarding, 0);
    return true;
  }
}
