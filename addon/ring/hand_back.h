// SPDX-License-Identifier: BSD-3-Clause
// How lines that the peer wrote and we have read go back to it.
//
// A line that one core wrote and another has read since is dirty and shared: the writer keeps it ("owned",
// says AMD), and its next store there waits until the reader has given its copy up. A sender that uses its
// buffers again pays that for every packet (docs/performance.md, "The way back of a line"). So a line that
// was read is written back, by CLWB, and stays in both caches; where the peer's core is far it is dropped
// from them too, by CLFLUSHOPT, since memory is nearer. Neither changes a byte, and a right to read is
// enough.
#pragma once
#include <algorithm>
#include <cstdint>

#include "ring/layout.h"

namespace vpci {

class HandBack {
 public:
  static constexpr uint32_t kLineBytes = 64;
  enum class Way : uint8_t { kLeave, kClean, kFlush };

  // What a sender writes anew in any packet: its headers. In packets above kLongestPacket it costs more than
  // it brings.
  static constexpr uint32_t kPacketBytes = 128;
  static constexpr uint32_t kLongestPacket = 1024;
  // Of packets that came together. A peer that sends fewer is not held up by lines, and would wait for each
  // of its own once more: a third of a microsecond a round trip.
  static constexpr uint32_t kFewest = 8;

  Way way = Way::kLeave;

  // As this CPU would have it; the peer is taken to be near.
  void Start();

  // Before a burst, of a word that the peer writes when it makes something available. One look in kEvery is
  // timed: the word comes from the peer's core if that has just written it.
  void Look(const uint16_t* word) {
    if (way != Way::kLeave && (++looks_ & (kEvery - 1)) == 0) Count(Time(word));
  }
  // Takes account of what a look took, in cycles.
  void Count(uint64_t cycles);

  // Whether any line of so many packets is to go back.
  bool Pays(uint32_t packets) const { return way != Way::kLeave && packets >= kFewest; }

  void Packet(const uint8_t* packet, uint32_t len) const {
    if (__builtin_expect(len > kLongestPacket, 0)) return;
    const uint8_t* const end = packet + std::min(len, kPacketBytes);
    const uint8_t* line = packet - (reinterpret_cast<uintptr_t>(packet) & (kLineBytes - 1));
    for (; line < end; line += kLineBytes) Line(line);
  }

  // The descriptors of a split ring that `entries[0..n)` name by their member `id`. Drivers lay them out side
  // by side: one in so many stands for its line.
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

  uint8_t looks_ = 0;
  uint8_t far_ = 0;  // how many of the last looks found the peer far, or nearly so
};

}  // namespace vpci
