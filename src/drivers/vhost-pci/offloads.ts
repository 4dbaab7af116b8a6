// SPDX-License-Identifier: BSD-3-Clause
// Translates the features of a virtio-net peer to the packet work that may be left to it, a set of MBUF_F_*
// bits.
import {
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
} from '../../abi/virtio-net.ts';
import { MBUF_F_ECN, MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, MBUF_F_TSO6, MBUF_F_USO } from '../../ethdev/mempool.ts';
import { consistentOffloads } from '../../ethdev/offloads.ts';
import { type FeatureSet, hasFeature } from '../../virtio/features.ts';

/**
 * The offloads that a peer with these features accepts: the GUEST features of VIRTIO 1.2, 5.1.3. A packet
 * does not indicate whether its UDP is in IPv4 or IPv6, so USO requires both.
 */
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
