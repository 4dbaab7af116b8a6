// SPDX-License-Identifier: BSD-3-Clause
// Which instance of the burst functions fits a ring: chosen once, when the ring starts, so that no packet
// pays for it.
#pragma once
#include <cstdint>

#include "ring/layout.h"

namespace vpci {

inline constexpr uint8_t kVariantInOrder = 1;
inline constexpr uint8_t kVariantPacked = 2;
inline constexpr uint8_t kVariantOffload = 4;
// A split ring in sections, with rules of its own (ring/split_ring.h).
inline constexpr uint8_t kVariantSection = 8;

// Without any of these, the headers of the peer's driver ask for nothing (VIRTIO 1.2, 5.1.6.2).
inline constexpr uint64_t kSendOffloads = uint64_t{1} << VIRTIO_NET_F_CSUM;

inline constexpr uint8_t VariantOf(uint64_t features) {
  return static_cast<uint8_t>((HasFeature(features, VIRTIO_F_IN_ORDER) ? kVariantInOrder : 0) |
                              (HasFeature(features, VIRTIO_F_RING_PACKED) ? kVariantPacked : 0) |
                              ((features & kSendOffloads) != 0 ? kVariantOffload : 0));
}

}  // namespace vpci
