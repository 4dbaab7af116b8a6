// SPDX-License-Identifier: BSD-3-Clause
// What the ports of all drivers have in common: their events, and refusals that read the same everywhere.
import { EventEmitter } from 'node:events';
import { requireFunction, requireInteger, requireOneOf } from '../arguments.ts';
import { PmdError } from '../errors.ts';
import type { PortConfig, PortEvent, PortInfo, PortLink, PortListener } from './port.ts';
import { checkPortConfig } from './port-arguments.ts';

const EVENTS: readonly PortEvent[] = ['link', 'reason', 'removed'];
type Role = 'rx' | 'tx';

export abstract class BasePort {
  readonly id: number;
  abstract readonly info: PortInfo;
  abstract readonly config: PortConfig;
  abstract readonly started: boolean;
  readonly #listeners = new EventEmitter().setMaxListeners(0);

  constructor(id: number) {
    this.id = id;
  }

  abstract link(): PortLink;
  protected abstract readonly closed: boolean;

  on(event: PortEvent, listener: PortListener): void {
    this.#checkListener('on()', event, listener);
    this.requireOpen('listen to');
    this.#listeners.on(event, listener);
  }

  once(event: PortEvent, listener: PortListener): void {
    this.#checkListener('once()', event, listener);
    this.requireOpen('listen to');
    this.#listeners.once(event, listener);
  }

  /** Allowed on a closed port, so that clean-up needs no order. */
  off(event: PortEvent, listener: PortListener): void {
    this.#checkListener('off()', event, listener);
    this.#listeners.off(event, listener);
  }

  protected emit(event: PortEvent): void {
    // Without a listener the link is not asked: a device may report before its port is complete.
    if (this.#listeners.listenerCount(event) > 0) this.#listeners.emit(event, this.link());
  }

  /** Throws VPCI_CLOSED if the port is closed, which is final. */
  protected requireOpen(action: string): void {
    if (!this.closed) return;
    throw new PmdError('VPCI_CLOSED', `Failed to ${action} port ${this.id}: the port is closed`);
  }

  /** Throws unless configure() may go on with `config`; the driver then checks its own limits. */
  protected requireConfigurable(config: PortConfig): void {
    checkPortConfig('configure()', config);
    this.requireOpen('configure');
    if (this.started)
      throw new PmdError('EBUSY', `Failed to configure port ${this.id}: it must be stopped first`);
  }

  /** Throws if more queues are requested than the device has; `hint` says where their number comes from. */
  protected requireQueueCounts(config: PortConfig, hint = (_role: Role): string => ''): void {
    const { name, maxRxQueues, maxTxQueues } = this.info;
    for (const [count, role, max] of [
      [config.rxQueues, 'rx', maxRxQueues],
      [config.txQueues, 'tx', maxTxQueues],
    ] as const) {
      if (count > max)
        throw new PmdError(
          'VPCI_QUEUE_COUNT',
          `Failed to configure ${name}: ${count} ${role.toUpperCase()} queues requested, the device has ${max}${hint(role)}`,
        );
    }
  }

  /** Throws unless the port is open and has this queue. */
  protected requireQueue(role: Role, queue: number): void {
    this.requireOpen(`open ${role.toUpperCase()} queue ${String(queue)} of`);
    const count = role === 'rx' ? this.config.rxQueues : this.config.txQueues;
    if (Number.isInteger(queue) && queue >= 0 && queue < count) return;
    throw new PmdError(
      'VPCI_QUEUE_COUNT',
      `Port ${this.id} has ${count} ${role.toUpperCase()} ${count === 1 ? 'queue' : 'queues'}; there is no queue ${String(queue)}`,
    );
  }

  /** Throws unless these are arguments of descriptors(). */
  protected requireRing(role: Role, queue: number): void {
    requireOneOf('descriptors()', 'role', role, ['rx', 'tx']);
    const { maxRxQueues, maxTxQueues } = this.info;
    requireInteger('descriptors()', 'queue', queue, 0, (role === 'rx' ? maxRxQueues : maxTxQueues) - 1);
  }

  #checkListener(call: string, event: PortEvent, listener: PortListener): void {
    requireOneOf(call, 'event', event, EVENTS);
    requireFunction(call, 'listener', listener);
  }
}
