// SPDX-License-Identifier: BSD-3-Clause
// A raw image of guest memory, rings included, and a second thread that keeps writing to it: a peer that
// changes what has just been checked.
#pragma once
#include <atomic>
#include <thread>

#include "guest.h"
#include "input.h"

namespace fuzz {

inline constexpr Region kMemory{0, 0x4000};

// The peer's second thread: flips bits here and there until it is stopped.
class Scribbler {
 public:
  Scribbler(uint8_t* memory, uint32_t bytes, uint32_t seed)
      : thread_([=, this] {
          for (uint32_t x = seed | 1; !stop_.load(std::memory_order_relaxed);) {
            x = x * 1664525 + 1013904223;
            // Mostly in the first part, where the input is.
            uint32_t at = (x >> 8) % (x & 1 ? bytes : bytes / 16);
            __atomic_fetch_xor(memory + at, static_cast<uint8_t>(1u << (x >> 29)), __ATOMIC_RELAXED);
          }
        }) {}
  ~Scribbler() {
    stop_.store(true);
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct Layout {
  uint64_t desc, avail, used;
  uint32_t size;
};

// Close together, so that a short image covers all of it; rings may overlap each other.
inline Layout TakeLayout(Input& in) {
  Layout l{};
  l.size = 1u << in.Below(7);
  l.desc = uint64_t{16} * in.Byte();
  l.avail = uint64_t{2} * in.Byte();
  l.used = uint64_t{4} * in.Byte();
  return l;
}

inline void FillImage(GuestMemory& memory, Input& in) {
  std::memcpy(memory.Find(0), in.data(), std::min<size_t>(in.left(), kMemory.size));
}

}  // namespace fuzz
