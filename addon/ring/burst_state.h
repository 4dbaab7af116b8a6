// SPDX-License-Identifier: BSD-3-Clause
// What the bursts on a queue remember from one call to the next. Only the thread that polls the queue touches
// it, except for `slots`, which JavaScript reads and writes between two calls of that thread.
#pragma once
#include <cstdint>

#include "ring/hand_back.h"

namespace vpci {

// Packets that lie in the peer's memory for the application to read or write there, shared with JavaScript:
// where a packet starts (behind its network header) as an offset in a window of 2 GiB of a mapping, the bytes
// that it has or may have, and the length that the application gave it. Packets that are shown together lie
// in one window.
struct InPlaceSlots {
  static constexpr uint32_t kMax = 64;
  uint32_t offset[kMax];
  uint32_t room[kMax];
  uint32_t length[kMax];
  uint32_t mapping;
  uint32_t window;
};

// A buffer that a burst has found. Kept by the engine itself, which believes nothing that JavaScript can
// write.
struct HeldBuffer {
  uint8_t* header;
  uint32_t room;
  uint16_t id;
};

struct BurstState {
  // Entries that the application works on in place (burst/in_place.h); the gate stays entered meanwhile.
  uint8_t held = 0;
  // The last Repeat found its bytes already in place, so the next one most likely will (burst/repeat.cc).
  bool repeated = false;
  // Relays from here that waited for more buffers since the last one that did not (burst/relay.cc).
  uint8_t waited = 0;
  HandBack hand_back;
  InPlaceSlots slots;
  HeldBuffer held_buffer[InPlaceSlots::kMax];

  // For a ring that starts. What the application holds is settled by the gate.
  void Start() {
    repeated = false;
    waited = 0;
    hand_back.Start();
  }
};

}  // namespace vpci
