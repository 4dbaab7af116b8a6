// SPDX-License-Identifier: BSD-3-Clause
// When the other side of a ring wants a notification, and when a packed descriptor is available: arithmetic
// that both roles share.
#pragma once
#include <cstdint>

#include "ring/layout.h"

namespace vpci {

// True when an event index that the other side waits for lies among those passed since `before`
// (VIRTIO 1.2, 2.7.13.4.1).
inline bool NeedEvent(uint16_t event, uint16_t now, uint16_t before) {
  return static_cast<uint16_t>(now - event - 1) < static_cast<uint16_t>(now - before);
}

// The same for a packed ring, `word` being the other side's event suppression structure, and `passed` slots
// lying between the position before and the present one, `slot` and `wrap` (VIRTIO 1.2, 2.8.14).
inline bool PackedNeedsEvent(uint32_t word, uint16_t slot, bool wrap, uint32_t passed, uint32_t size) {
  const uint16_t off_wrap = static_cast<uint16_t>(word), flags = static_cast<uint16_t>(word >> 16);
  if (flags != VRING_PACKED_EVENT_FLAG_DESC) return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
  uint16_t event = off_wrap & static_cast<uint16_t>(~VRING_PACKED_WRAP);
  // Of the previous round: counted as that many slots below the start of this one.
  if (((off_wrap & VRING_PACKED_WRAP) != 0) != wrap) event = static_cast<uint16_t>(event - size);
  return NeedEvent(event, slot, static_cast<uint16_t>(slot - passed));
}

// True when `flags` mark the packed descriptor as available to the device (VIRTIO 1.2, 2.8.1).
inline bool PackedAvailable(uint16_t flags, bool wrap) {
  constexpr uint16_t kBoth = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;
  return (flags & kBoth) == (wrap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED);
}

}  // namespace vpci
