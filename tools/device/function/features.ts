// SPDX-License-Identifier: BSD-3-Clause
// The net features of the device: what the driver's data path understands (docs/device-abi.md, "Features").
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
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
} from '../../../src/abi/virtio-net.ts';
import {
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_EVENT_IDX,
  VIRTIO_F_RING_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '../../../src/abi/virtio-ring.ts';
import { PmdError } from '../../../src/errors.ts';

const BITS = {
  version_1: VIRTIO_F_VERSION_1,
  mrg_rxbuf: VIRTIO_NET_F_MRG_RXBUF,
  in_order: VIRTIO_F_IN_ORDER,
  indirect_desc: VIRTIO_F_RING_INDIRECT_DESC,
  event_idx: VIRTIO_F_RING_EVENT_IDX,
  ring_packed: VIRTIO_F_RING_PACKED,
  csum: VIRTIO_NET_F_CSUM,
  guest_csum: VIRTIO_NET_F_GUEST_CSUM,
  host_tso4: VIRTIO_NET_F_HOST_TSO4,
  host_tso6: VIRTIO_NET_F_HOST_TSO6,
  host_ecn: VIRTIO_NET_F_HOST_ECN,
  host_uso: VIRTIO_NET_F_HOST_USO,
  guest_tso4: VIRTIO_NET_F_GUEST_TSO4,
  guest_tso6: VIRTIO_NET_F_GUEST_TSO6,
  guest_ecn: VIRTIO_NET_F_GUEST_ECN,
  guest_uso4: VIRTIO_NET_F_GUEST_USO4,
  guest_uso6: VIRTIO_NET_F_GUEST_USO6,
} as const;

type Name = keyof typeof BITS;

/** VIRTIO 1.2, 5.1.3.1: each needs one of those beside it. */
const NEEDS: readonly (readonly [Name, readonly Name[]])[] = [
  ['host_tso4', ['csum']],
  ['host_tso6', ['csum']],
  ['host_uso', ['csum']],
  ['host_ecn', ['host_tso4', 'host_tso6']],
  ['guest_tso4', ['guest_csum']],
  ['guest_tso6', ['guest_csum']],
  ['guest_uso4', ['guest_csum']],
  ['guest_uso6', ['guest_csum']],
  ['guest_ecn', ['guest_tso4', 'guest_tso6']],
];

export const FEATURE_NAMES = Object.keys(BITS);

const bit = (number: number): bigint => 1n << BigInt(number);

/**
 * RING_RESET is not among them, though a ring may be stopped, laid elsewhere and started again at any time: QEMU shows the bit of a
 * vhost-user back-end to its guest, and forwards a reset to the kernel's vhost only. The guest would take back memory that the
 * driver still works in.
 */
export const NET_FEATURES: bigint = Object.values(BITS).reduce((all, number) => all | bit(number), 0n);
export const VERSION_1 = bit(VIRTIO_F_VERSION_1);

/** Between the peer and its front-end: a driver reads the pairs, is sent the MTU, and needs no bits for them. */
export function peerOnlyFeatures(queuePairs: number): bigint {
  const mq = queuePairs > 1 ? bit(VIRTIO_NET_F_MQ) : 0n;
  return bit(VHOST_USER_F_PROTOCOL_FEATURES) | bit(VIRTIO_NET_F_MTU) | mq;
}

/** "mrg_rxbuf,in_order" as bits; VERSION_1 is always there. Throws PmdError on an unknown name, or on one that needs another. */
export function parseFeatures(list: string): bigint {
  let features = VERSION_1;
  for (const name of list.split(',').map((part) => part.trim().toLowerCase())) {
    if (name === '' || name === 'none') continue;
    if (!Object.hasOwn(BITS, name)) {
      throw new PmdError(
        'VPCI_USAGE',
        `Unknown feature '${name}': choose from ${Object.keys(BITS).join(', ')}`,
      );
    }
    features |= bit(BITS[name as Name]);
  }
  requireDependencies(features);
  return features;
}

function requireDependencies(features: bigint): void {
  const has = (name: Name) => (features & bit(BITS[name])) !== 0n;
  for (const [name, choices] of NEEDS) {
    if (!has(name) || choices.some(has)) continue;
    throw new PmdError('VPCI_USAGE', `The feature ${name} needs ${choices.join(' or ')}`);
  }
}
