// SPDX-License-Identifier: BSD-3-Clause
// What a port's software offloads are to do: plain data, which the main thread makes and an lcore gets.
import type { FlowRule } from './flow-rule.ts';

/** A hash of received packets over software queues. */
export interface RssPlan {
  /** RTE_ETH_RSS_* bits: the kinds of packets that are hashed. */
  readonly types: number;
  /** 40 bytes. */
  readonly key: Uint8Array;
  /**
   * The queue for each value of the low bits of the hash; a power of two of entries. Empty: none is chosen.
   */
  readonly reta: readonly number[];
}

/** Which tags of received packets are filtered and removed. */
export interface RxVlanPlan {
  readonly strip: boolean;
  readonly qinqStrip: boolean;
  /** A frame may have an outer tag before its VLAN tag. */
  readonly extend: boolean;
  /** Bit v of these 512 bytes: packets of VLAN v pass. Null: all pass. */
  readonly filter: Uint8Array | null;
}

/** TPIDs of the tags of a port. */
export interface Tpids {
  readonly inner: number;
  readonly outer: number;
}

/** What happens to packets that a port receives. */
export interface RxPlan {
  /** Addresses whose packets pass: six bytes each. Null: all (promiscuous mode). */
  readonly unicast: readonly Uint8Array[] | null;
  /** The same for multicast packets; null: all. */
  readonly multicast: readonly Uint8Array[] | null;
  readonly vlan: RxVlanPlan;
  readonly tpids: Tpids;
  /** In the order in which they are tried. */
  readonly rules: readonly FlowRule[];
  readonly rss: RssPlan | null;
  /** The hash of each packet is kept (hashes.ts). */
  readonly keepsHash: boolean;
  /** Software queues; 0: the device's own. */
  readonly queues: number;
  /** Receive queues of the device. */
  readonly deviceQueues: number;
  /** Queues that do not receive: packets for them are dropped. */
  readonly stopped: readonly number[];
  /** Counters of what is dropped (discards.ts). */
  readonly discards: SharedArrayBuffer;
}

/** What happens to packets that a port sends. */
export interface TxPlan {
  /** Tags that modes which set addresses add, outermost first; empty: none. */
  readonly tags: readonly { readonly tpid: number; readonly tci: number }[];
  /** The tag of packets that have none; null: they stay without. */
  readonly pvid: { readonly tpid: number; readonly tci: number } | null;
  readonly tpids: Tpids;
}

/** Whether packets of one queue of the device may belong to several software queues. */
export function steers({ queues }: RxPlan): boolean {
  return queues > 0;
}
