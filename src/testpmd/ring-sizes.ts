// SPDX-License-Identifier: BSD-3-Clause
// How many descriptors queues have. The rings of a port are its peer's, which chooses their sizes; a port
// without rings has the number that it was given, which is shown and otherwise of no use, as in DPDK.
import type { Port } from '../ethdev/port.ts';
import type { Settings } from './settings.ts';
import type { Role } from './soft-port.ts';

/** RTE_ETH_DEV_FALLBACK_RX_RINGSIZE of rte_ethdev.h, and the same for TX. */
const FALLBACK = 512;

export const hasRings = ({ info }: Port): boolean => info.minDescriptors > 0;

export function ringSize(
  { soft, rxDescriptors, txDescriptors }: Settings,
  port: Port,
  role: Role,
  queue: number,
) {
  // A software queue has no ring of its own.
  if (hasRings(port)) {
    const { rxQueues, txQueues } = port.config;
    return queue < (role === 'rx' ? rxQueues : txQueues) ? port.descriptors(role, queue) : 0;
  }
  const all = role === 'rx' ? rxDescriptors : txDescriptors;
  return soft.of(port).ringSizes[role].get(queue) || all || FALLBACK;
}
