// SPDX-License-Identifier: BSD-3-Clause
// Sets of MBUF_F_* bits: packet work that may be left to the receiver.
import { MBUF_F_ECN, MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, MBUF_F_TSO6, MBUF_F_USO } from './mempool.ts';

export const ALL_OFFLOADS = MBUF_F_NEEDS_CSUM | MBUF_F_TSO4 | MBUF_F_TSO6 | MBUF_F_USO | MBUF_F_ECN;

/**
 * The consistent part of a set: segmentation requires checksum offload (VIRTIO 1.2, 5.1.3.1), and congestion
 * marks require TCP segmentation.
 */
export function consistentOffloads(offloads: number): number {
  if ((offloads & MBUF_F_NEEDS_CSUM) === 0) return 0;
  const tcp = (offloads & (MBUF_F_TSO4 | MBUF_F_TSO6)) !== 0;
  return offloads & (tcp ? ALL_OFFLOADS : ALL_OFFLOADS & ~MBUF_F_ECN);
}

/** "csum tso4 tso6", or "none". */
export function describeOffloads(offloads: number): string {
  const names = Object.entries(NAMES).filter(([, bit]) => (offloads & bit) !== 0);
  return names.map(([name]) => name).join(' ') || 'none';
}

const NAMES = {
  csum: MBUF_F_NEEDS_CSUM,
  tso4: MBUF_F_TSO4,
  tso6: MBUF_F_TSO6,
  ecn: MBUF_F_ECN,
  uso: MBUF_F_USO,
};
