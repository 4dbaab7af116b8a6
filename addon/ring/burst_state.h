// SPDX-License-Identifier: BSD-3-Clause
// What the bursts on a queue remember from one call to the next. Only the thread that polls the queue touches
// it, except for `slots`, which JavaScript reads and writes between two calls of that thread.
#pragma once
#include <cstdint>

#include "ring/hand_back.h"

namespace vpci {

// Packets in the peer's memory that the application reads or writes in place; shared with JavaScript. For
// each packet: its start (behind the virtio-net header) as an offset in a 2 GiB window of a mapping, the
// bytes it has or may have, and the length that the application gave it. All packets shown together lie in
// one window.
struct InPlaceSlots {
  static constexpr uint32_t kMax = 64;
  uint32_t offset[kMax];
  uint32_t room[kMax];
  uint32_t length[kMax];
  uint32_t mapping;
  uint32_t window;
};

// A buffer that a burst has found. Private to the engine, which trusts nothing that JavaScript can write.
struct HeldBuffer {
  uint8_t* header;
  uint32_t room;
  uint16_t id;
};

struct BurstState {
  // Entries that the application is working on in place (burst/in_place.h); the gate stays entered meanwhile.
  uint8_t held = 0;
  // The last Repeat found its bytes already in place, so the next one probably will too (burst/repeat.cc).
  bool repeated = false;
  // Consecutive relays from this queue that waited for more buffers (burst/relay.cc).
  uint8_t waited = 0;
  HandBack hand_back;
  InPlaceSlots slots;
  HeldBuffer held_buffer[InPlaceSlots::kMax];

  // Called when a ring starts. `held` is not reset: the gate takes care of what the application holds.
  void Start(HandBack::Way near = HandBack::Way::kClean) {
    repeated = false;
    waited = 0;
    hand_back.Start(near);
  }
};

}  // namespace vpci
