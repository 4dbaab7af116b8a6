// SPDX-License-Identifier: BSD-3-Clause
// DPDK's names of what a port leaves to its far side (rte_eth_dev_tx_offload_name).
import { MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, MBUF_F_TSO6, MBUF_F_USO } from '../ethdev/mempool.ts';

const NAMES: readonly (readonly [flags: number, name: string])[] = [
  [MBUF_F_NEEDS_CSUM, 'UDP_CKSUM'],
  [MBUF_F_NEEDS_CSUM, 'TCP_CKSUM'],
  [MBUF_F_TSO4 | MBUF_F_TSO6, 'TCP_TSO'],
  [MBUF_F_USO, 'UDP_TSO'],
];

export const txOffloadNames = (offloads: number): string[] =>
  NAMES.filter(([flags]) => (offloads & flags) !== 0).map(([, name]) => name);
