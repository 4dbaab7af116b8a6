// SPDX-License-Identifier: BSD-3-Clause
#include "ring/hand_back.h"

#include "ring/shared_access.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

namespace vpci {
namespace {

// TSC cycles of a timed load. Measured at 2.6 GHz: 40 to 80 from our own cache, 100 to 200 from a nearby
// core's, 260 to 500 from a distant one's.
constexpr uint64_t kOurs = 90;
constexpr uint64_t kFar = 240;
// Longer than any cache transfer: the thread was preempted.
constexpr uint64_t kAway = 5000;
constexpr uint8_t kVotes = 15;

bool HasInstructions() {
#if defined(__x86_64__)
  uint32_t a = 0, b = 0, c = 0, d = 0;
  constexpr uint32_t kBoth = bit_CLWB | bit_CLFLUSHOPT;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & kBoth) == kBoth;
#else
  return false;
#endif
}

// Read once: CPUID traps to a hypervisor and may be slow.
const bool kAble = HasInstructions();

struct TimedLoad {
  uint64_t end;
  uint64_t cycles;
};

TimedLoad Time(const uint16_t* word) {
#if defined(__x86_64__)
  _mm_lfence();
  const uint64_t start = __rdtsc();
  _mm_lfence();
  LoadOnce(word);
  _mm_lfence();
  const uint64_t end = __rdtsc();
  return {end, end - start};
#else
  static_cast<void>(word);
  return {};
#endif
}

}  // namespace

void HandBack::Start(Way near) {
  able_ = kAble;
  way = able_ ? near : Way::kLeave;
  choice_.Start(near, Way::kFlush);
  looks_ = far_ = 0;
  is_far_ = false;
}

bool HandBack::Count(uint64_t cycles) {
  if (cycles < kOurs || cycles > kAway) return is_far_;
  if (cycles >= kFar)
    far_ = std::min<uint8_t>(far_ + 1, kVotes);
  else if (far_ > 0)
    far_--;
  // Two thresholds, for hysteresis.
  if (far_ == 0) is_far_ = false;
  if (far_ == kVotes) is_far_ = true;
  return is_far_;
}

void HandBack::Choose(const uint16_t* word, uint64_t packets) {
  const TimedLoad load = Time(word);
  way = choice_.Next(Count(load.cycles), packets, load.end);
}

}  // namespace vpci
