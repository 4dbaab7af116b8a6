// SPDX-License-Identifier: BSD-3-Clause
#include "os/mmio.h"

#include <time.h>

#include <algorithm>
#include <limits>

namespace vpci {
namespace {

constexpr int64_t kMostNs = 50'000'000;

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

// Volatile: not dropped, merged or vectorized, which a device would not understand.
template <typename T>
T Load(const uint8_t* address) {
  return *reinterpret_cast<const volatile T*>(address);
}

template <typename T>
void Store(uint8_t* address, uint32_t value) {
  *reinterpret_cast<volatile T*>(address) = static_cast<T>(value);
}

}  // namespace

uint32_t MmioRead(const uint8_t* address, unsigned width) {
  if (width == 1) return Load<uint8_t>(address);
  if (width == 2) return Load<uint16_t>(address);
  return Load<uint32_t>(address);
}

void MmioWrite(uint8_t* address, unsigned width, uint32_t value) {
  if (width == 1) return Store<uint8_t>(address, value);
  if (width == 2) return Store<uint16_t>(address, value);
  Store<uint32_t>(address, value);
}

uint32_t AtomicRead(const uint8_t* address) {
  return __atomic_load_n(reinterpret_cast<const uint32_t*>(address), __ATOMIC_SEQ_CST);
}

void AtomicWrite(uint8_t* address, uint32_t value) {
  __atomic_store_n(reinterpret_cast<uint32_t*>(address), value, __ATOMIC_SEQ_CST);
}

double ReadLatency(const uint8_t* start, size_t length, unsigned rounds) {
  const auto lines = static_cast<double>(length / kLineBytes);
  const int64_t begin = NowNs();
  int64_t best = std::numeric_limits<int64_t>::max();
  for (unsigned round = 0; round <= rounds; round++) {
    const int64_t from = NowNs();
    for (size_t offset = 0; offset < length; offset += kLineBytes) Load<uint64_t>(start + offset);
    const int64_t now = NowNs();
    if (round > 0 || now - begin > kMostNs) best = std::min(best, now - from);
    if (now - begin > kMostNs) break;
  }
  return static_cast<double>(best) / lines;
}

bool SameBytes(const uint8_t* a, const uint8_t* b, size_t length) {
  for (size_t offset = 0; offset < length; offset += sizeof(uint64_t)) {
    if (Load<uint64_t>(a + offset) != Load<uint64_t>(b + offset)) return false;
  }
  return true;
}

}  // namespace vpci
