// SPDX-License-Identifier: BSD-3-Clause
// Which way of handing lines back (ring/hand_back.h) pays, found by trying: what it costs and gains depends
// on the CPU's caches, on the distance of the peer's core and on what the peer does with its buffers.
//
// Now and then another way is tried for some bursts. It takes over if the queue moves its packets in clearly
// fewer cycles in three trials, each next to one of the way in use; one that is lost ends the attempt. What
// was found is kept for each distance, near and far. The peer can make one way look better than another by
// the pace of its packets: that costs its own queue at most what the worst of them costs.
#pragma once
#include <cstdint>

namespace vpci {

class WayChoice {
 public:
  enum class Way : uint8_t { kLeave, kClean, kFlush };

  // Bursts from one look to the next.
  static constexpr uint32_t kBursts = 64;
  // Packets that arrived together. A peer that sends fewer is not limited by these lines, and would miss once
  // more on each of its own: a third of a microsecond per round trip.
  static constexpr uint32_t kFewest = 8;
  // Looks of one trial. The first is not counted: buffers that went back the other way are still around.
  static constexpr uint32_t kTrial = 4;
  // Looks until the first attempt, and from one to the next at most; in between, it grows by four with each
  // that is lost, so that at most a few packets in a thousand go the slower way.
  static constexpr uint32_t kSoon = 16;
  static constexpr uint32_t kLate = 16384;

  // The ways to begin with.
  void Start(Way near, Way far);

  // Call once in kBursts bursts, with the packets of the queue so far and the time in TSC cycles. Returns the
  // way to use up to the next call.
  Way Next(bool far, uint64_t packets, uint64_t cycles);

 private:
  static constexpr uint8_t kPairs = 3;

  struct Distance {
    Way way = Way::kLeave;
    uint8_t attempts = 0;  // even and odd ones try different ways
    uint32_t rest = kSoon;
  };

  Distance& here() { return distance_[far_]; }
  Way challenger() const;
  bool trying() const { return pairs_ > 0; }
  void Rest();
  void Lose();
  void Judge(uint64_t cost);

  Distance distance_[2];
  bool far_ = false;
  bool challenged_ = false;            // this trial is the challenger's
  uint8_t pairs_ = 0;                  // left of the attempt, with this one
  uint32_t looks_ = kSoon;             // left of the trial or the rest
  uint64_t packets_ = 0, cycles_ = 0;  // when the counted part began
  uint64_t cost_ = 0;                  // of the way in use, in the trial before
};

}  // namespace vpci
