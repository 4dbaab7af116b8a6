// SPDX-License-Identifier: BSD-3-Clause
// The net features of the device: what the driver's data path understands (docs/device-abi.md, "Features").
import { VHOST_USER_F_PROTOCOL_FEATURES } from '../../src/abi/vhost-user.ts';
import { VIRTIO_NET_F_MQ, VIRTIO_NET_F_MRG_RXBUF } from '../../src/abi/virtio-net.ts';
import {
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_EVENT_IDX,
  VIRTIO_F_RING_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
} from '../../src/abi/virtio-ring.ts';
import { PmdError } from '../../src/errors.ts';

const BITS = {
  version_1: VIRTIO_F_VERSION_1,
  mrg_rxbuf: VIRTIO_NET_F_MRG_RXBUF,
  in_order: VIRTIO_F_IN_ORDER,
  indirect_desc: VIRTIO_F_RING_INDIRECT_DESC,
  event_idx: VIRTIO_F_RING_EVENT_IDX,
  ring_packed: VIRTIO_F_RING_PACKED,
} as const;

const bit = (number: number): bigint => 1n << BigInt(number);

export const NET_FEATURES: bigint = Object.values(BITS).reduce((all, number) => all | bit(number), 0n);
export const VERSION_1 = bit(VIRTIO_F_VERSION_1);

/** Multiqueue is between the peer and its front-end: a driver sees the pairs, not the bit. */
export function peerOnlyFeatures(queuePairs: number): bigint {
  return bit(VHOST_USER_F_PROTOCOL_FEATURES) | (queuePairs > 1 ? bit(VIRTIO_NET_F_MQ) : 0n);
}

/** "mrg_rxbuf,in_order" as bits; VERSION_1 is always there. Throws PmdError on an unknown name. */
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
    features |= bit(BITS[name as keyof typeof BITS]);
  }
  return features;
}
