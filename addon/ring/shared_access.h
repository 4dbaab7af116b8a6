// SPDX-License-Identifier: BSD-3-Clause
// Loads and stores of memory that a hostile party changes at any time. A value is fetched once into a local,
// and only the local is checked and used: two fetches of one field are a bug (compare CVE-2024-11614's
// follow-up).
#pragma once
#include <cstdint>
#include <cstring>

#include "ring/layout.h"

namespace vpci {

template <typename T>
inline T LoadOnce(const T* p) {
  return __atomic_load_n(p, __ATOMIC_RELAXED);
}

template <typename T>
inline void StoreOnce(T* p, T value) {
  __atomic_store_n(p, value, __ATOMIC_RELAXED);
}

template <typename T>
inline T LoadAcquire(const T* p) {
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

template <typename T>
inline void StoreRelease(T* p, T value) {
  __atomic_store_n(p, value, __ATOMIC_RELEASE);
}

// A 16-bit value at any address: buffers need not be aligned. The compiler must not fetch it again later.
inline uint16_t LoadUnalignedOnce(const uint8_t* p) {
  uint16_t value;
  std::memcpy(&value, p, sizeof value);
  asm volatile("" : "+r"(value));
  return value;
}

// Orders our store of an index before our load of the other side's suppression word (VIRTIO 1.2, 2.7.13.4.1).
inline void FullFence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// A descriptor in two 8-byte loads, each atomic: descriptors are 16-byte aligned.
inline VringDesc LoadDesc(const VringDesc* d) {
  const uint64_t* words = reinterpret_cast<const uint64_t*>(d);
  uint64_t low = LoadOnce(words), high = LoadOnce(words + 1);
  return {low, static_cast<uint32_t>(high), static_cast<uint16_t>(high >> 32),
          static_cast<uint16_t>(high >> 48)};
}

// Length, id and flags of a packed descriptor share one aligned word, which is loaded and stored whole: the
// flags always describe the rest of it (VIRTIO 1.2, 2.8.21.1).
inline uint64_t* PackedTail(VringPackedDesc* d) { return reinterpret_cast<uint64_t*>(&d->len); }
inline const uint64_t* PackedTail(const VringPackedDesc* d) {
  return reinterpret_cast<const uint64_t*>(&d->len);
}

// A packed descriptor; its flags are loaded first.
inline VringPackedDesc LoadPackedDesc(const VringPackedDesc* d) {
  uint64_t tail = LoadAcquire(PackedTail(d));
  return {LoadOnce(&d->addr), static_cast<uint32_t>(tail), static_cast<uint16_t>(tail >> 32),
          static_cast<uint16_t>(tail >> 48)};
}

// Used elements are only 4-byte aligned, so each word is stored by itself; the later release store of idx
// publishes them. A driver may read one earlier, as a prefetch hint. With a driver that keeps its buffers in
// order and sends packets of one size, an element already holds the same value from the last lap: it is not
// written then, and its line may stay in the driver's cache.
inline void StoreUsed(VringUsedElem* e, uint32_t id, uint32_t len) {
  uint64_t held;
  std::memcpy(&held, e, sizeof held);
  if (__builtin_expect(held == (id | uint64_t{len} << 32), 1)) return;
  StoreOnce(&e->id, id);
  StoreOnce(&e->len, len);
}

inline void PrefetchRead(const void* p) { __builtin_prefetch(p, 0, 3); }

// Fetches a line for writing. The builtin emits PREFETCHW only with -mprfchw; every x86-64 CPU of the last
// decade has it, and older ones execute it as a no-op.
inline void PrefetchWrite(void* p) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<char*>(p)));
#else
  __builtin_prefetch(p, 1, 3);
#endif
}

inline void CpuRelax() {
#if defined(__x86_64__)
  asm volatile("pause" ::: "memory");
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

}  // namespace vpci
