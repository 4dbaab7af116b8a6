// SPDX-License-Identifier: BSD-3-Clause
// Structures in shared memory: split and packed virtqueues (VIRTIO 1.2, 2.7 and 2.8) and the virtio-net
// header (5.1.6). All little-endian; this code runs on little-endian hosts only. src/abi holds the same
// layouts for TypeScript; a test compares the two.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

static_assert(std::endian::native == std::endian::little, "shared memory is little-endian");

namespace vpci {

struct VringDesc {
  uint64_t addr;
  uint32_t len;
  uint16_t flags;
  uint16_t next;
};
static_assert(sizeof(VringDesc) == 16);

struct VringAvail {
  uint16_t flags;
  uint16_t idx;
  uint16_t ring[];
};
static_assert(offsetof(VringAvail, ring) == 4);

struct VringUsedElem {
  uint32_t id;
  uint32_t len;
};
static_assert(sizeof(VringUsedElem) == 8);

struct VringUsed {
  uint16_t flags;
  uint16_t idx;
  VringUsedElem ring[];
};
static_assert(offsetof(VringUsed, ring) == 4);

struct VringPackedDesc {
  uint64_t addr;
  uint32_t len;
  uint16_t id;
  uint16_t flags;
};
static_assert(sizeof(VringPackedDesc) == 16);

// Event suppression structure of a packed ring (VIRTIO 1.2, 2.8.14).
struct VringPackedDescEvent {
  uint16_t off_wrap;
  uint16_t flags;
};
static_assert(sizeof(VringPackedDescEvent) == 4);

struct VirtioNetHdr {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t hdr_len;
  uint16_t gso_size;
  uint16_t csum_start;
  uint16_t csum_offset;
  uint16_t num_buffers;
};
static_assert(sizeof(VirtioNetHdr) == 12);

inline constexpr uint16_t VRING_DESC_F_NEXT = 1;
inline constexpr uint16_t VRING_DESC_F_WRITE = 2;
inline constexpr uint16_t VRING_DESC_F_INDIRECT = 4;
inline constexpr uint16_t VRING_AVAIL_F_NO_INTERRUPT = 1;
inline constexpr uint16_t VRING_USED_F_NO_NOTIFY = 1;
inline constexpr uint16_t VRING_PACKED_DESC_F_AVAIL = 1 << 7;
inline constexpr uint16_t VRING_PACKED_DESC_F_USED = 1 << 15;
inline constexpr uint16_t VRING_PACKED_EVENT_FLAG_ENABLE = 0;
inline constexpr uint16_t VRING_PACKED_EVENT_FLAG_DISABLE = 1;
inline constexpr uint16_t VRING_PACKED_EVENT_FLAG_DESC = 2;
inline constexpr uint16_t VRING_PACKED_WRAP = 1 << 15;
inline constexpr uint32_t kVringMaxSize = 32768;

inline constexpr uint8_t VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
inline constexpr uint8_t VIRTIO_NET_HDR_F_DATA_VALID = 2;
inline constexpr uint8_t VIRTIO_NET_HDR_GSO_NONE = 0;
inline constexpr uint8_t VIRTIO_NET_HDR_GSO_TCPV4 = 1;
inline constexpr uint8_t VIRTIO_NET_HDR_GSO_TCPV6 = 4;
inline constexpr uint8_t VIRTIO_NET_HDR_GSO_UDP_L4 = 5;
inline constexpr uint8_t VIRTIO_NET_HDR_GSO_ECN = 0x80;

inline constexpr int VIRTIO_NET_F_CSUM = 0;
inline constexpr int VIRTIO_NET_F_GUEST_CSUM = 1;
inline constexpr int VIRTIO_NET_F_GUEST_TSO4 = 7;
inline constexpr int VIRTIO_NET_F_GUEST_TSO6 = 8;
inline constexpr int VIRTIO_NET_F_GUEST_ECN = 9;
inline constexpr int VIRTIO_NET_F_HOST_TSO4 = 11;
inline constexpr int VIRTIO_NET_F_HOST_TSO6 = 12;
inline constexpr int VIRTIO_NET_F_HOST_ECN = 13;
inline constexpr int VIRTIO_NET_F_MRG_RXBUF = 15;
inline constexpr int VIRTIO_F_RING_INDIRECT_DESC = 28;
inline constexpr int VIRTIO_F_RING_EVENT_IDX = 29;
inline constexpr int VIRTIO_F_VERSION_1 = 32;
inline constexpr int VIRTIO_F_RING_PACKED = 34;
inline constexpr int VIRTIO_F_IN_ORDER = 35;
inline constexpr int VIRTIO_NET_F_GUEST_USO4 = 54;
inline constexpr int VIRTIO_NET_F_GUEST_USO6 = 55;
inline constexpr int VIRTIO_NET_F_HOST_USO = 56;

inline constexpr bool HasFeature(uint64_t features, int bit) { return (features >> bit) & 1; }

// The header has 12 bytes with VERSION_1 or MRG_RXBUF, and 10 on a legacy ring without (VIRTIO 1.2, 5.1.6.1).
inline constexpr uint32_t NetHdrBytes(uint64_t features) {
  return HasFeature(features, VIRTIO_F_VERSION_1) || HasFeature(features, VIRTIO_NET_F_MRG_RXBUF) ? 12 : 10;
}

}  // namespace vpci
