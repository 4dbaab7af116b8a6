// SPDX-License-Identifier: BSD-3-Clause
// Argument checks that all port drivers share.
import { requireInteger, requireOptions } from '../arguments.ts';
import type { PortConfig } from './port.ts';

/** More than any device has; the limit of a particular device is checked by its driver. */
const MAX_QUEUE_COUNT = 65_535;

export function checkPortConfig(call: string, config: Partial<PortConfig>): void {
  requireOptions(call, 'config', config, ['rxQueues', 'txQueues']);
  for (const key of ['rxQueues', 'txQueues'] as const)
    requireInteger(call, key, config[key], 0, MAX_QUEUE_COUNT);
}
