// SPDX-License-Identifier: BSD-3-Clause
// What applications may ask of any port, checked alike by all port drivers.
import { requireFunction, requireInteger, requireOneOf, requireOptions } from '../arguments.ts';
import { PmdError } from '../errors.ts';
import type { PortConfig, PortEvent } from './port.ts';

/** More than any device has; what this one has is for its driver to say. */
const MAX_QUEUE_COUNT = 65_535;
const EVENTS: readonly PortEvent[] = ['link', 'reason', 'removed'];

export function checkPortConfig(call: string, config: Partial<PortConfig>): void {
  requireOptions(call, 'config', config, ['rxQueues', 'txQueues']);
  for (const key of ['rxQueues', 'txQueues'] as const)
    requireInteger(call, key, config[key], 0, MAX_QUEUE_COUNT);
}

/** Throws VPCI_CLOSED: a port that is closed stays so. */
export function requireOpen(action: string, id: number, closed: boolean): void {
  if (closed) throw new PmdError('VPCI_CLOSED', `Failed to ${action} port ${id}: the port is closed`);
}

export function checkListener(event: PortEvent, listener: () => void): void {
  requireOneOf('on()', 'event', event, EVENTS);
  requireFunction('on()', 'listener', listener);
}
