// SPDX-License-Identifier: BSD-3-Clause
#include "packet/offload.h"

#include <algorithm>

#include "packet/checksum.h"
#include "packet/tx_packet.h"

namespace vpci {
namespace {

struct GsoKind {
  uint8_t type;
  uint16_t flag;
  // Features that let the peer's driver send and receive such packets (VIRTIO 1.2, 5.1.3).
  uint64_t send, take;
};

constexpr uint64_t Bit(int n) { return uint64_t{1} << n; }

constexpr GsoKind kGsoKinds[] = {
    {VIRTIO_NET_HDR_GSO_TCPV4, MBUF_F_TSO4, Bit(VIRTIO_NET_F_HOST_TSO4), Bit(VIRTIO_NET_F_GUEST_TSO4)},
    {VIRTIO_NET_HDR_GSO_TCPV6, MBUF_F_TSO6, Bit(VIRTIO_NET_F_HOST_TSO6), Bit(VIRTIO_NET_F_GUEST_TSO6)},
    // An mbuf does not record the IP version, so the peer must accept both.
    {VIRTIO_NET_HDR_GSO_UDP_L4, MBUF_F_USO, Bit(VIRTIO_NET_F_HOST_USO),
     Bit(VIRTIO_NET_F_GUEST_USO4) | Bit(VIRTIO_NET_F_GUEST_USO6)},
};

bool HasAll(uint64_t features, uint64_t wanted) { return (features & wanted) == wanted; }

bool FieldInside(uint32_t start, uint32_t offset, uint32_t bytes) { return start + offset + 2 <= bytes; }

// Computes the Internet checksum (RFC 1071) of [start, bytes) and stores it in the field, which holds the sum
// of the pseudo-header.
void FillChecksum(MbufPool& pool, uint32_t id, uint32_t start, uint32_t field, uint32_t bytes) {
  const auto pass = [](uint8_t*, uint32_t) {};
  InternetSum sum;
  Scatter covered(pool, id);
  covered.Each(start, pass);
  covered.Each(bytes - start, [&sum](const uint8_t* p, uint32_t n) { sum.Add(p, n); });
  uint8_t checksum[2];
  StoreBig16(checksum, sum.Checksum());
  Scatter target(pool, id);
  target.Each(field, pass);
  const uint8_t* next = checksum;
  target.Each(2, [&next](uint8_t* p, uint32_t n) {
    while (n-- > 0) *p++ = *next++;
  });
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
    // A hint that must not be relied on (VIRTIO 1.2, 5.1.6.2.2); only keep it within the packet.
    pool.hdr_len()[id] = static_cast<uint16_t>(std::min<uint32_t>(hdr.hdr_len, pool.pkt_len()[id]));
    return true;
  }
  return false;
}

Ready MakeGso(uint64_t features, MbufPool& pool, uint32_t id, uint32_t bytes, VirtioNetHdr* hdr) {
  const uint16_t flags = pool.ol_flags()[id];
  if ((flags & MBUF_F_NEEDS_CSUM) == 0 || pool.gso_size()[id] == 0) return Ready::kNever;
  for (const GsoKind& kind : kGsoKinds) {
    if ((flags & MBUF_F_GSO) != kind.flag) continue;
    const bool ecn = (flags & MBUF_F_ECN) != 0;
    // A receiver without GUEST_CSUM cannot accept unsegmented packets either (VIRTIO 1.2, 5.1.3.1).
    if (hdr->flags == 0 || !HasAll(features, kind.take)) return Ready::kCut;
    if (ecn && !HasFeature(features, VIRTIO_NET_F_GUEST_ECN)) return Ready::kCut;
    hdr->gso_type = static_cast<uint8_t>(kind.type | (ecn ? VIRTIO_NET_HDR_GSO_ECN : 0));
    hdr->gso_size = pool.gso_size()[id];
    hdr->hdr_len = static_cast<uint16_t>(std::min<uint32_t>(pool.hdr_len()[id], bytes));
    return Ready::kWhole;
  }
  return Ready::kNever;
}

}  // namespace

bool TakeOffload(uint64_t features, const VirtioNetHdr& hdr, MbufPool& pool, uint32_t id) {
  pool.ol_flags()[id] = 0;
  // Unknown flag bits are ignored (VIRTIO 1.2, 5.1.6.2.2).
  const bool needs_csum = (hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
  if (needs_csum) {
    if (!FieldInside(hdr.csum_start, hdr.csum_offset, pool.pkt_len()[id])) return false;
    pool.ol_flags()[id] = MBUF_F_NEEDS_CSUM;
    pool.csum_start()[id] = hdr.csum_start;
    pool.csum_offset()[id] = hdr.csum_offset;
  }
  if (hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE) return true;
  // The checksums of segments are computed during segmentation, so it requires NEEDS_CSUM (VIRTIO 1.2,
  // 5.1.6.2.1).
  return needs_csum && TakeGso(features, hdr, pool, id);
}

Ready MakeHeader(uint64_t features, MbufPool& pool, uint32_t id, uint32_t bytes, VirtioNetHdr* hdr) {
  *hdr = {};
  const uint16_t flags = pool.ol_flags()[id];
  const bool peer_checks = HasFeature(features, VIRTIO_NET_F_GUEST_CSUM);
  if (flags & MBUF_F_NEEDS_CSUM) {
    const uint16_t start = pool.csum_start()[id], offset = pool.csum_offset()[id];
    if (!FieldInside(start, offset, bytes)) return Ready::kNever;
    if (peer_checks) {
      hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
      hdr->csum_start = start;
      hdr->csum_offset = offset;
    } else if ((flags & MBUF_F_GSO) == 0) {
      FillChecksum(pool, id, start, uint32_t{start} + offset, bytes);
      // A packet that is not taken now will come again.
      pool.ol_flags()[id] = MBUF_F_CSUM_VALID;
    }
  } else if ((flags & MBUF_F_CSUM_VALID) && peer_checks) {
    hdr->flags = VIRTIO_NET_HDR_F_DATA_VALID;
  }
  return (flags & MBUF_F_GSO) == 0 ? Ready::kWhole : MakeGso(features, pool, id, bytes, hdr);
}

}  // namespace vpci
