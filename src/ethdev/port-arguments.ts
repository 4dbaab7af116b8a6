// SPDX-License-Identifier: BSD-3-Clause
// Argument checks that all port drivers share.
import { requireFunction, requireInteger, requireOneOf, requireOptions } from '../arguments.ts';
import { PmdError } from '../errors.ts';
import type { PortConfig, PortEvent } from './port.ts';

/** More than any device has; the limit of a particular device is checked by its driver. */
const MAX_QUEUE_COUNT = 65_535;
const EVENTS: readonly PortEvent[] = ['link', 'reason', 'removed'];

export function checkPortConfig(call: string, config: Partial<PortConfig>): void {
  requireOptions(call, 'config', config, ['rxQueues', 'txQueues']);
  for (const key of ['rxQueues', 'txQueues'] as const)
    requireInteger(call, key, config[key], 0, MAX_QUEUE_COUNT);
}

/** Throws VPCI_CLOSED if the port is closed, which is final. */
export function requireOpen(action: string, id: number, closed: boolean): void {
  if (closed) throw new PmdError('VPCI_CLOSED', `Failed to ${action} port ${id}: the port is closed`);
}

export function checkListener(event: PortEvent, listener: () => void): void {
  requireOneOf('on()', 'event', event, EVENTS);
  requireFunction('on()', 'listener', listener);
}
