// SPDX-License-Identifier: BSD-3-Clause
// The processor's time-stamp counter and its rate.
#pragma once
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#elif !defined(__aarch64__)
#error "vhost-pci-pmd knows the time-stamp counters of x86-64 and arm64 only"
#endif

namespace vpci {

// Not serializing: a few instructions before or after may be reordered across it.
inline uint64_t ReadTsc() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  uint64_t ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#endif
}

// A tick is 16 cycles of x86-64, some 5 ns, and one of arm64's slower counter. 31 bits of ticks last 10 s.
#if defined(__x86_64__)
inline constexpr int kTickShift = 4;
#else
inline constexpr int kTickShift = 0;
#endif

inline uint32_t ReadTick() { return static_cast<uint32_t>(ReadTsc() >> kTickShift) & 0x7fffffff; }

// Ticks of the counter per second. On x86-64 the first call measures for 20 ms, and blocks for that long;
// later calls return at once.
double TscHz();

}  // namespace vpci
