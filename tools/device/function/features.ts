// SPDX-License-Identifier: BSD-3-Clause
// The net features of the device: those that the driver's data path supports (docs/device-abi.md,
// "Features").
import { VHOST_USER_F_PROTOCOL_FEATURES } from '../../../src/abi/vhost-user.ts';
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
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MTU,
} from '../../../src/abi/virtio-net.ts';
import { VIRTIO_F_VERSION_1 } from '../../../src/abi/virtio-ring.ts';
import { DATA_PATH_FEATURES } from '../../../src/engines/features.ts';
import { PmdError } from '../../../src/errors.ts';
import { type FeatureSet, features, hasFeature, namedFeatures } from '../../../src/virtio/features.ts';

/** VIRTIO 1.2, 5.1.3.1: each feature needs one of those beside it. */
const NEEDS: readonly (readonly [number, readonly number[]])[] = [
  [VIRTIO_NET_F_HOST_TSO4, [VIRTIO_NET_F_CSUM]],
  [VIRTIO_NET_F_HOST_TSO6, [VIRTIO_NET_F_CSUM]],
  [VIRTIO_NET_F_HOST_USO, [VIRTIO_NET_F_CSUM]],
  [VIRTIO_NET_F_HOST_ECN, [VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6]],
  [VIRTIO_NET_F_GUEST_TSO4, [VIRTIO_NET_F_GUEST_CSUM]],
  [VIRTIO_NET_F_GUEST_TSO6, [VIRTIO_NET_F_GUEST_CSUM]],
  [VIRTIO_NET_F_GUEST_USO4, [VIRTIO_NET_F_GUEST_CSUM]],
  [VIRTIO_NET_F_GUEST_USO6, [VIRTIO_NET_F_GUEST_CSUM]],
  [VIRTIO_NET_F_GUEST_ECN, [VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6]],
];

/**
 * RING_RESET is not included, although a ring may be stopped, moved and restarted at any time: QEMU passes
 * the bit of a vhost-user back-end on to its guest, but forwards a ring reset only to the kernel's vhost. The
 * guest would reclaim memory that the driver is still using.
 */
export const NET_FEATURES: FeatureSet = DATA_PATH_FEATURES;
export const VERSION_1: FeatureSet = features(VIRTIO_F_VERSION_1);

/** Feature names for users: VIRTIO's names in lower case, "event_idx" for RING_EVENT_IDX. */
const userName = (name: string): string => name.toLowerCase().replace(/^ring_(?!packed)/, '');
const BITS: ReadonlyMap<string, number> = new Map(
  namedFeatures(NET_FEATURES).map(([name, bit]) => [userName(name), bit]),
);
export const FEATURE_NAMES: readonly string[] = [...BITS.keys()];

/**
 * Features that only the peer is offered: VM1's driver reads the number of pairs and is sent the MTU, so it
 * needs no bits for them.
 */
export function peerOnlyFeatures(queuePairs: number): FeatureSet {
  const mq = queuePairs > 1 ? [VIRTIO_NET_F_MQ] : [];
  return features(VHOST_USER_F_PROTOCOL_FEATURES, VIRTIO_NET_F_MTU, ...mq);
}

/**
 * "mrg_rxbuf,in_order" as bits; VERSION_1 is always included. Throws PmdError on an unknown name or a missing
 * dependency.
 */
export function parseFeatures(list: string): FeatureSet {
  let chosen = VERSION_1;
  for (const given of list.split(',').map((part) => part.trim())) {
    const name = given.toLowerCase();
    if (name === '' || name === 'none') continue;
    const bit = BITS.get(name);
    if (bit === undefined) {
      throw new PmdError('VPCI_USAGE', `Unknown feature '${given}': choose from ${FEATURE_NAMES.join(', ')}`);
    }
    chosen |= features(bit);
  }
  requireDependencies(chosen);
  return chosen;
}

function requireDependencies(chosen: FeatureSet): void {
  const nameOf = (feature: number) => namedFeatures(features(feature)).map(([name]) => userName(name));
  for (const [feature, choices] of NEEDS) {
    if (!hasFeature(chosen, feature) || choices.some((choice) => hasFeature(chosen, choice))) continue;
    throw new PmdError(
      'VPCI_USAGE',
      `The feature ${nameOf(feature)} needs ${choices.flatMap(nameOf).join(' or ')}`,
    );
  }
}
