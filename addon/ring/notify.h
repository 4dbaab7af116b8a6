// SPDX-License-Identifier: BSD-3-Clause
// Whether the other side of a ring wants a notification, and whether a packed descriptor is available:
// arithmetic that both roles share.
#pragma once
#include <cstdint>

#include "ring/layout.h"

namespace vpci {

// True if the event index that the other side waits for is among those passed since `before` (VIRTIO 1.2,
// 2.7.13.4.1).
inline bool NeedEvent(uint16_t event, uint16_t now, uint16_t before) {
  return static_cast<uint16_t>(now - event - 1) < static_cast<uint16_t>(now - before);
}

// The same for a packed ring. `word` is the other side's event suppression structure; `passed` slots lie
// between the previous position and the current one, `slot` and `wrap` (VIRTIO 1.2, 2.8.14).
inline bool PackedNeedsEvent(uint32_t word, uint16_t slot, bool wrap, uint32_t passed, uint32_t size) {
  const uint16_t off_wrap = static_cast<uint16_t>(word), flags = static_cast<uint16_t>(word >> 16);
  if (flags != VRING_PACKED_EVENT_FLAG_DESC) return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
  uint16_t event = off_wrap & static_cast<uint16_t>(~VRING_PACKED_WRAP);
  // From the previous lap: an index below the start of this one.
  if (((off_wrap & VRING_PACKED_WRAP) != 0) != wrap) event = static_cast<uint16_t>(event - size);
  return NeedEvent(event, slot, static_cast<uint16_t>(slot - passed));
}

// True when `flags` mark the packed descriptor as available to the device (VIRTIO 1.2, 2.8.1).
inline bool PackedAvailable(uint16_t flags, bool wrap) {
  constexpr uint16_t kBoth = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;
  return (flags & kBoth) == (wrap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED);
}

}  // namespace vpci
