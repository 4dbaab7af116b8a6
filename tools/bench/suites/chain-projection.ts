// SPDX-License-Identifier: BSD-3-Clause
// What a chain's rate each way would be with a core for each guest and one for the switch: computed from what
// was measured with two.
import { kindsOf } from '../sides/chain.ts';
import type { Both } from './chain-results.ts';

export interface MeasuredChain {
  readonly guests: number;
  /** Mpps, each way. */
  readonly measured: Both;
  /** Cycles of the switch for a packet and hop. */
  readonly switching: number;
  readonly tscMhz: number;
}

/** Neither side's is below what it was measured to have with fewer cores. */
export function projectedMpps({ guests, measured, switching, tscMhz }: MeasuredChain): Both {
  const { virtio, pmd } = kindsOf(guests);
  const computed = { ours: measured.ours * Math.min(virtio, pmd), ovs: tscMhz / (2 * guests * switching) };
  return {
    ours: Math.max(measured.ours, computed.ours),
    ovs: Math.max(measured.ovs, computed.ovs),
  };
}
