// SPDX-License-Identifier: BSD-3-Clause
#include "ring/offload.h"

#include <algorithm>

namespace vpci {
namespace {

struct GsoKind {
  uint8_t type;
  uint16_t flag;
  // Features that let the peer's driver send, and take, such packets (VIRTIO 1.2, 5.1.3).
  uint64_t send, take;
};

constexpr uint64_t Bit(int n) { return uint64_t{1} << n; }

constexpr GsoKind kGsoKinds[] = {
    {VIRTIO_NET_HDR_GSO_TCPV4, MBUF_F_TSO4, Bit(VIRTIO_NET_F_HOST_TSO4), Bit(VIRTIO_NET_F_GUEST_TSO4)},
    {VIRTIO_NET_HDR_GSO_TCPV6, MBUF_F_TSO6, Bit(VIRTIO_NET_F_HOST_TSO6), Bit(VIRTIO_NET_F_GUEST_TSO6)},
    // An mbuf does not say which IP it is, so the peer must take both.
    {VIRTIO_NET_HDR_GSO_UDP_L4, MBUF_F_USO, Bit(VIRTIO_NET_F_HOST_USO),
     Bit(VIRTIO_NET_F_GUEST_USO4) | Bit(VIRTIO_NET_F_GUEST_USO6)},
};

bool HasAll(uint64_t features, uint64_t wanted) { return (features & wanted) == wanted; }

bool FieldInside(uint32_t start, uint32_t offset, uint32_t bytes) { return start + offset + 2 <= bytes; }

// Bytes of a packet as a sequence over its segments, which are sane.
class Bytes {
 public:
  Bytes(MbufPool& pool, uint32_t id) : pool_(pool), id_(id) {}

  uint8_t* At(uint32_t offset) {
    while (offset >= base_ + pool_.data_len()[id_]) {
      base_ += pool_.data_len()[id_];
      id_ = pool_.next()[id_];
    }
    return pool_.buffer(id_) + pool_.data_off()[id_] + (offset - base_);
  }
  // Bytes from the one that At gave last to its segment's end.
  uint32_t Left(uint32_t offset) const { return base_ + pool_.data_len()[id_] - offset; }

 private:
  MbufPool& pool_;
  uint32_t id_;
  uint32_t base_ = 0;
};

// The Internet checksum (RFC 1071) of [start, bytes), in which the field holds the pseudo-header's sum, into
// the field. A sum of zero goes out as its other form, which UDP asks for and TCP does not mind.
void FillChecksum(MbufPool& pool, uint32_t id, uint32_t start, uint32_t field, uint32_t bytes) {
  uint64_t sum = 0;
  Bytes packet(pool, id);
  for (uint32_t at = start; at < bytes;) {
    const uint8_t* p = packet.At(at);
    const uint32_t n = std::min(packet.Left(at), bytes - at);
    for (uint32_t i = 0; i < n; i++) sum += ((at + i - start) & 1) ? p[i] : uint32_t{p[i]} << 8;
    at += n;
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  uint16_t folded = static_cast<uint16_t>(~sum);
  if (folded == 0) folded = 0xffff;
  Bytes target(pool, id);
  *target.At(field) = static_cast<uint8_t>(folded >> 8);
  *target.At(field + 1) = static_cast<uint8_t>(folded);
}

bool TakeGso(uint64_t features, const VirtioNetHdr& hdr, MbufPool& pool, uint32_t id) {
  const uint8_t type = hdr.gso_type & static_cast<uint8_t>(~VIRTIO_NET_HDR_GSO_ECN);
  const bool ecn = (hdr.gso_type & VIRTIO_NET_HDR_GSO_ECN) != 0;
  for (const GsoKind& kind : kGsoKinds) {
    if (kind.type != type) continue;
    if (!HasAll(features, kind.send) || hdr.gso_size == 0) return false;
    if (ecn && !HasFeature(features, VIRTIO_NET_F_HOST_ECN)) return false;
    pool.ol_flags()[id] = static_cast<uint16_t>(pool.ol_flags()[id] | kind.flag | (ecn ? MBUF_F_ECN : 0));
    pool.gso_size()[id] = hdr.gso_size;
    // A hint that is not to be relied on (VIRTIO 1.2, 5.1.6.2.2): only never beyond the packet.
    pool.hdr_len()[id] = static_cast<uint16_t>(std::min<uint32_t>(hdr.hdr_len, pool.pkt_len()[id]));
    return true;
  }
  return false;
}

}  // namespace

bool TakeOffload(uint64_t features, const VirtioNetHdr& hdr, MbufPool& pool, uint32_t id) {
  pool.ol_flags()[id] = 0;
  // Flag bits that we do not know are to be ignored (VIRTIO 1.2, 5.1.6.2.2).
  const bool needs_csum = (hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
  if (needs_csum) {
    if (!FieldInside(hdr.csum_start, hdr.csum_offset, pool.pkt_len()[id])) return false;
    pool.ol_flags()[id] = MBUF_F_NEEDS_CSUM;
    pool.csum_start()[id] = hdr.csum_start;
    pool.csum_offset()[id] = hdr.csum_offset;
  }
  if (hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE) return true;
  // Segments have their checksums made when they are cut (VIRTIO 1.2, 5.1.6.2.1).
  return needs_csum && TakeGso(features, hdr, pool, id);
}

bool MakeHeader(uint64_t features, MbufPool& pool, uint32_t id, uint32_t bytes, VirtioNetHdr* hdr) {
  *hdr = {};
  const uint16_t flags = pool.ol_flags()[id];
  const bool peer_checks = HasFeature(features, VIRTIO_NET_F_GUEST_CSUM);
  if (flags & MBUF_F_NEEDS_CSUM) {
    const uint16_t start = pool.csum_start()[id], offset = pool.csum_offset()[id];
    if (!FieldInside(start, offset, bytes)) return false;
    if (peer_checks) {
      hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
      hdr->csum_start = start;
      hdr->csum_offset = offset;
    } else if (flags & MBUF_F_GSO) {
      return false;
    } else {
      FillChecksum(pool, id, start, uint32_t{start} + offset, bytes);
      // A packet that is not taken now comes again.
      pool.ol_flags()[id] = MBUF_F_CSUM_VALID;
    }
  } else if ((flags & MBUF_F_CSUM_VALID) && peer_checks) {
    hdr->flags = VIRTIO_NET_HDR_F_DATA_VALID;
  }
  if ((flags & MBUF_F_GSO) == 0) return true;
  for (const GsoKind& kind : kGsoKinds) {
    if ((flags & MBUF_F_GSO) != kind.flag) continue;
    const bool ecn = (flags & MBUF_F_ECN) != 0;
    if (!HasAll(features, kind.take) || pool.gso_size()[id] == 0 || hdr->flags == 0) return false;
    if (ecn && !HasFeature(features, VIRTIO_NET_F_GUEST_ECN)) return false;
    hdr->gso_type = static_cast<uint8_t>(kind.type | (ecn ? VIRTIO_NET_HDR_GSO_ECN : 0));
    hdr->gso_size = pool.gso_size()[id];
    hdr->hdr_len = static_cast<uint16_t>(std::min<uint32_t>(pool.hdr_len()[id], bytes));
    return true;
  }
  return false;
}

}  // namespace vpci
