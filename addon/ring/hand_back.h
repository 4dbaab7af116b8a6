// SPDX-License-Identifier: BSD-3-Clause
// Hands cache lines that the peer wrote and we have read back to the peer.
//
// A line that one core wrote and another has since read is dirty and shared: the writer keeps it ("owned" in
// AMD's terms), and its next store stalls until the reader's copy is invalidated. A sender that reuses its
// buffers pays that for every packet (docs/performance.md, "Cache-line hand-back"). So a line that was read
// is written back with CLWB, and stays in both caches; if the peer's core is distant, it is evicted from them
// with CLFLUSHOPT, since memory is closer. Neither changes a byte, and read permission suffices.
#pragma once
#include <algorithm>
#include <cstdint>

#include "ring/layout.h"

namespace vpci {

class HandBack {
 public:
  static constexpr uint32_t kLineBytes = 64;
  enum class Way : uint8_t { kLeave, kClean, kFlush };

  // What a sender rewrites in every packet: its headers. For packets above kLongestPacket it costs more than
  // it gains.
  static constexpr uint32_t kPacketBytes = 128;
  static constexpr uint32_t kLongestPacket = 1024;
  // Packets that arrived together. A peer that sends fewer is not limited by these lines, and would miss once
  // more on each of its own: a third of a microsecond per round trip.
  static constexpr uint32_t kFewest = 8;

  Way way = Way::kLeave;

  // Chooses by CPU; the peer is assumed to be near, and `near` is what pays then, where anything does.
  void Start(Way near = Way::kClean);

  // Call before a burst, with a word that the peer writes when it makes something available. One call in
  // kEvery times the load: the word comes from the peer's cache if the peer has just written it.
  void Look(const uint16_t* word) {
    if (able_ && (++looks_ & (kEvery - 1)) == 0) Count(Time(word));
  }
  // Records the duration of a timed load, in cycles.
  void Count(uint64_t cycles);

  // Whether handing back lines is worthwhile for this many packets.
  bool Pays(uint32_t packets) const { return way != Way::kLeave && packets >= kFewest; }

  void Packet(const uint8_t* packet, uint32_t len) const {
    if (__builtin_expect(len > kLongestPacket, 0)) return;
    const uint8_t* const end = packet + std::min(len, kPacketBytes);
    const uint8_t* line = packet - (reinterpret_cast<uintptr_t>(packet) & (kLineBytes - 1));
    for (; line < end; line += kLineBytes) Line(line);
  }

  // The descriptors of a split ring that `entries[0..n)` name by their member `id`. Drivers lay them out side
  // by side, so one descriptor per line is enough.
  template <class T>
  void Descriptors(const VringDesc* desc, const T* entries, uint32_t n, uint16_t T::*id) const {
    for (uint32_t i = 0; i < n; i += kLineBytes / sizeof(VringDesc)) Line(&desc[entries[i].*id]);
  }

 private:
  static constexpr uint8_t kEvery = 64;

  static uint64_t Time(const uint16_t* word);
  void Line(const void* p) const {
#if defined(__x86_64__)
    const char& line = *static_cast<const char*>(p);
    if (way == Way::kFlush)
      asm volatile("clflushopt %0" : : "m"(line));
    else
      asm volatile("clwb %0" : : "m"(line));
#else
    static_cast<void>(p);
#endif
  }

  bool able_ = false;
  Way near_ = Way::kClean;
  uint8_t looks_ = 0;
  uint8_t far_ = 0;  // balance of recent timed loads: far counts up, near counts down
};

}  // namespace vpci
