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

// Ticks per second. On x86-64 the first call measures for 20 ms, and blocks for that long; later calls return
// at once.
double TscHz();

}  // namespace vpci
