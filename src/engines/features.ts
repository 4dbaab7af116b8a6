// SPDX-License-Identifier: BSD-3-Clause
// The features of a peer that the ring engine supports.
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_USO,
  VIRTIO_NET_F_MRG_RXBUF,
} from '../abi/virtio-net.ts';
import {
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_EVENT_IDX,
  VIRTIO_F_RING_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '../abi/virtio-ring.ts';
import { type FeatureSet, features } from '../virtio/features.ts';

const RING_FEATURES: FeatureSet = features(
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_F_RING_INDIRECT_DESC,
  VIRTIO_F_RING_EVENT_IDX,
  VIRTIO_F_VERSION_1,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_IN_ORDER,
);

/** The peer sends and accepts packets with partial checksums. */
const CHECKSUM_FEATURES: FeatureSet = features(VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM);

/**
 * The peer sends and accepts packets that are still to be segmented; all of these features require the
 * checksum features (VIRTIO 1.2, 5.1.3.1).
 */
const SEGMENTATION_FEATURES: FeatureSet = features(
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
  VIRTIO_NET_F_HOST_USO,
);

/** The features with these offloads; segmentation requires checksums. */
export function dataPathFeatures(offloads: { readonly csum: boolean; readonly tso: boolean }): FeatureSet {
  if (!offloads.csum) return RING_FEATURES;
  return RING_FEATURES | CHECKSUM_FEATURES | (offloads.tso ? SEGMENTATION_FEATURES : 0n);
}

export const DATA_PATH_FEATURES: FeatureSet = dataPathFeatures({ csum: true, tso: true });
