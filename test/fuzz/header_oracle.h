// SPDX-License-Identifier: BSD-3-Clause
// Whether a packet's virtio-net header makes a valid, negotiated request (VIRTIO 1.2, 5.1.6.2).
#pragma once
#include <vector>

#include "guest.h"

namespace fuzz {

inline bool HeaderIsSane(uint64_t features, const VirtioNetHdr& hdr, size_t packet_bytes) {
  // Without checksum offload the header carries no request.
  if (!HasFeature(features, VIRTIO_NET_F_CSUM)) return true;
  const bool checksum = hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
  if (checksum && size_t{hdr.csum_start} + hdr.csum_offset + 2 > packet_bytes) return false;
  if (hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE) return true;
  const bool ecn = hdr.gso_type & VIRTIO_NET_HDR_GSO_ECN;
  int needed = -1;
  switch (hdr.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
      needed = VIRTIO_NET_F_HOST_TSO4;
      break;
    case VIRTIO_NET_HDR_GSO_TCPV6:
      needed = VIRTIO_NET_F_HOST_TSO6;
      break;
    case VIRTIO_NET_HDR_GSO_UDP_L4:
      needed = VIRTIO_NET_F_HOST_USO;
      break;
  }
  return checksum && hdr.gso_size != 0 && needed >= 0 && HasFeature(features, needed) &&
         (!ecn || HasFeature(features, VIRTIO_NET_F_HOST_ECN));
}

}  // namespace fuzz
