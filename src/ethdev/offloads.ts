// SPDX-License-Identifier: BSD-3-Clause
// What of a packet may be left for the receiver to do: sets of MBUF_F_* bits.
import {
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
} from '../abi/virtio-net.ts';
import { type FeatureSet, hasFeature } from '../virtio/features.ts';
import { MBUF_F_ECN, MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, MBUF_F_TSO6, MBUF_F_USO } from './mempool.ts';

export const ALL_OFFLOADS = MBUF_F_NEEDS_CSUM | MBUF_F_TSO4 | MBUF_F_TSO6 | MBUF_F_USO | MBUF_F_ECN;

/**
 * The part of a set that makes sense by itself: who does not fill in checksums cannot cut segments (VIRTIO 1.2, 5.1.3.1), and
 * congestion marks are a matter of TCP segments.
 */
export function consistentOffloads(offloads: number): number {
  if ((offloads & MBUF_F_NEEDS_CSUM) === 0) return 0;
  const tcp = (offloads & (MBUF_F_TSO4 | MBUF_F_TSO6)) !== 0;
  return offloads & (tcp ? ALL_OFFLOADS : ALL_OFFLOADS & ~MBUF_F_ECN);
}

/** What a peer with these features takes: The GUEST features of VIRTIO 1.2, 5.1.3. A packet does not say whether its UDP is in IPv4 or IPv6, so both are needed. */
export function offloadsTaken(features: FeatureSet): number {
  const all = (...bits: readonly number[]) => bits.every((bit) => hasFeature(features, bit));
  return consistentOffloads(
    (all(VIRTIO_NET_F_GUEST_CSUM) ? MBUF_F_NEEDS_CSUM : 0) |
      (all(VIRTIO_NET_F_GUEST_TSO4) ? MBUF_F_TSO4 : 0) |
      (all(VIRTIO_NET_F_GUEST_TSO6) ? MBUF_F_TSO6 : 0) |
      (all(VIRTIO_NET_F_GUEST_ECN) ? MBUF_F_ECN : 0) |
      (all(VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6) ? MBUF_F_USO : 0),
  );
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
