// SPDX-License-Identifier: BSD-3-Clause
// The network device, VIRTIO 1.2 section 5.1.
import { at, type Layout } from './layout.ts';

/** Feature bit numbers, VIRTIO 1.2 section 5.1.3. */
export const VIRTIO_NET_F_CSUM = 0;
export const VIRTIO_NET_F_GUEST_CSUM = 1;
export const VIRTIO_NET_F_MTU = 3;
export const VIRTIO_NET_F_MAC = 5;
export const VIRTIO_NET_F_GUEST_TSO4 = 7;
export const VIRTIO_NET_F_GUEST_TSO6 = 8;
export const VIRTIO_NET_F_GUEST_ECN = 9;
export const VIRTIO_NET_F_HOST_TSO4 = 11;
export const VIRTIO_NET_F_HOST_TSO6 = 12;
export const VIRTIO_NET_F_HOST_ECN = 13;
export const VIRTIO_NET_F_MRG_RXBUF = 15;
export const VIRTIO_NET_F_STATUS = 16;
export const VIRTIO_NET_F_CTRL_VQ = 17;
export const VIRTIO_NET_F_GUEST_ANNOUNCE = 21;
export const VIRTIO_NET_F_MQ = 22;
export const VIRTIO_NET_F_GUEST_USO4 = 54;
export const VIRTIO_NET_F_GUEST_USO6 = 55;
export const VIRTIO_NET_F_HOST_USO = 56;

/** The 12-byte header of VERSION_1 and MRG_RXBUF. */
export const VIRTIO_NET_HDR = {
  name: 'virtio_net_hdr_mrg_rxbuf',
  source: 'VIRTIO 1.2, 5.1.6',
  size: 12,
  fields: {
    flags: at(0, 'u8'),
    gso_type: at(1, 'u8'),
    hdr_len: at(2, 'u16'),
    gso_size: at(4, 'u16'),
    csum_start: at(6, 'u16'),
    csum_offset: at(8, 'u16'),
    num_buffers: at(10, 'u16'),
  },
} as const satisfies Layout;
