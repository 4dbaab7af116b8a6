// SPDX-License-Identifier: BSD-3-Clause
// Lines that the peer wrote and we have read go back clean.
//
// A line that one core wrote and another has read since is dirty and shared: the writer keeps it ("owned",
// says AMD), and its next store there waits until the reader has given its copy up. On the CPUs that were
// measured that takes far longer than with a clean line, and a sender that uses its buffers again pays it for
// every packet (docs/performance.md, "What was found on the way"). CLWB writes the line back and leaves both
// copies where they are. It changes no byte, and a right to read is enough for it.
#pragma once
#include <algorithm>
#include <cstdint>

#include "ring/layout.h"

namespace vpci {

inline constexpr uint32_t kLineBytes = 64;
// What a sender writes anew in any packet: its headers. They reach into two lines at most.
inline constexpr uint32_t kCleanedBytes = 128;
// In longer packets it costs more than it brings.
inline constexpr uint32_t kLongestCleaned = 1024;

// Whether this CPU can do it, and is of a kind for which it pays.
bool CleaningPays();

inline void CleanLine(const void* p) {
#if defined(__x86_64__)
  asm volatile("clwb %0" : : "m"(*static_cast<const char*>(p)));
#else
  static_cast<void>(p);
#endif
}

inline void CleanPacket(const uint8_t* packet, uint32_t len) {
  if (__builtin_expect(len > kLongestCleaned, 0)) return;
  const uint8_t* const end = packet + std::min(len, kCleanedBytes);
  const uint8_t* line = packet - (reinterpret_cast<uintptr_t>(packet) & (kLineBytes - 1));
  for (; line < end; line += kLineBytes) CleanLine(line);
}

// The descriptors `entries[0..n)` of a split ring, by their member `id`. Drivers lay them out side by side:
// one in so many stands for its line.
template <class T>
inline void CleanDescriptors(const VringDesc* desc, const T* entries, uint32_t n, uint16_t T::*id) {
  for (uint32_t i = 0; i < n; i += kLineBytes / sizeof(VringDesc)) CleanLine(&desc[entries[i].*id]);
}

}  // namespace vpci
