// SPDX-License-Identifier: BSD-3-Clause
// Received packets that software drops, by the reason. The lcore that has a queue of the device counts its
// packets, and the main thread reads them.

/** Names among a port's extended statistics, in the order of their counters. */
export const DISCARDS = [
  'rx_mac_filter_discards',
  'rx_vlan_filter_discards',
  'rx_flow_discards',
  'rx_stopped_queue_discards',
] as const;
/** Counters: destination address, VLAN, flow rule with action drop, queue that does not receive. */
export const DISCARD = { MAC: 0, VLAN: 1, FLOW: 2, STOPPED: 3 } as const;
/** Numbers for each queue: one cache line. */
const STRIDE = 8;

/** Memory of the counters of a port. */
export const discardMemory = (queues: number): SharedArrayBuffer =>
  new SharedArrayBuffer(Math.max(1, queues) * STRIDE * Float64Array.BYTES_PER_ELEMENT);

/** The counters of one queue of the device. */
export const queueDiscards = (memory: SharedArrayBuffer, queue: number): Float64Array =>
  new Float64Array(memory, queue * STRIDE * Float64Array.BYTES_PER_ELEMENT, DISCARDS.length);

/** Of all queues, in the order of DISCARDS. */
export function totalDiscards(memory: SharedArrayBuffer): number[] {
  const counts = new Float64Array(memory);
  return DISCARDS.map((_, reason) => {
    let total = 0;
    for (let at = reason; at < counts.length; at += STRIDE) total += counts[at];
    return total;
  });
}
