// SPDX-License-Identifier: BSD-3-Clause
#include "os/tsc.h"

#include <time.h>

namespace vpci {
namespace {

#if defined(__x86_64__)
int64_t RawNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

struct Sample {
  uint64_t tsc;
  int64_t ns;
};

// A clock reading between two counter readings; the tightest of several, so that an interruption does not
// matter.
Sample TakeSample() {
  Sample best{};
  uint64_t best_width = UINT64_MAX;
  for (int i = 0; i < 16; i++) {
    const uint64_t before = ReadTsc();
    const int64_t ns = RawNs();
    const uint64_t width = ReadTsc() - before;
    if (width >= best_width) continue;
    best_width = width;
    best = {before + width / 2, ns};
  }
  return best;
}

double Measure() {
  const Sample start = TakeSample();
  const timespec pause{0, 20'000'000};
  nanosleep(&pause, nullptr);
  const Sample end = TakeSample();
  return static_cast<double>(end.tsc - start.tsc) * 1e9 / static_cast<double>(end.ns - start.ns);
}
#else
double Measure() {
  uint64_t hz;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(hz));
  return static_cast<double>(hz);
}
#endif

}  // namespace

double TscHz() {
  static const double hz = Measure();
  return hz;
}

}  // namespace vpci
