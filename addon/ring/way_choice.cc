// SPDX-License-Identifier: BSD-3-Clause
#include "ring/way_choice.h"

#include <algorithm>

namespace vpci {
namespace {

// Cycles per packet, in 256ths; 0 if there were too few packets to tell.
uint64_t CostOf(uint64_t packets, uint64_t cycles) {
  constexpr uint64_t kEnough = uint64_t{WayChoice::kTrial - 1} * WayChoice::kBursts * WayChoice::kFewest;
  return packets < kEnough ? 0 : std::max<uint64_t>(cycles * 256 / packets, 1);
}

// By 3 %: less is noise.
bool ClearlyLess(uint64_t a, uint64_t b) { return a + b / 32 < b; }

}  // namespace

void WayChoice::Start(Way near, Way far) {
  *this = {};
  distance_[false].way = near;
  distance_[true].way = far;
}

WayChoice::Way WayChoice::challenger() const {
  const Distance& now = distance_[far_];
  return static_cast<Way>((static_cast<uint8_t>(now.way) + 1 + now.attempts % 2) % 3);
}

void WayChoice::Rest() {
  pairs_ = 0;
  challenged_ = false;
  looks_ = here().rest;
}

void WayChoice::Lose() {
  here().attempts++;
  here().rest = std::min(here().rest * 4, kLate);
  Rest();
}

void WayChoice::Judge(uint64_t cost) {
  // Packets came too slowly for any way to matter.
  if (cost == 0) return Rest();
  looks_ = kTrial;
  if (!challenged_) {
    cost_ = cost;
    challenged_ = true;
    return;
  }
  if (!ClearlyLess(cost, cost_)) return Lose();
  challenged_ = false;
  if (--pairs_ > 0) return;
  here() = {.way = challenger()};
  Rest();
}

WayChoice::Way WayChoice::Next(bool far, uint64_t packets, uint64_t cycles) {
  if (far != far_) {
    far_ = far;
    Rest();
  } else if (--looks_ > 0) {
    if (trying() && looks_ == kTrial - 1) {
      packets_ = packets;
      cycles_ = cycles;
    }
  } else if (trying()) {
    Judge(packets < packets_ ? 0 : CostOf(packets - packets_, cycles - cycles_));
  } else {
    pairs_ = kPairs;
    looks_ = kTrial;
  }
  return challenged_ ? challenger() : here().way;
}

}  // namespace vpci
