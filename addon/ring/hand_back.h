// SPDX-License-Identifier: BSD-3-Clause
// Hands cache lines that the peer wrote and we have read back to the peer.
//
// A line that one core wrote and another has since read is dirty and shared: the writer keeps it ("owned" in
// AMD's terms), and its next store stalls until the reader's copy is invalidated. A sender that reuses its
// buffers pays that for every packet (docs/performance.md, "Cache-line hand-back"). So a line that was read
// is written back with CLWB, and stays in both caches, or evicted from them with CLFLUSHOPT: for a distant
// core memory is closer. Neither changes a byte, and read permission suffices. Which one pays, if any, is
// found by trying (ring/way_choice.h).
#pragma once
#include <algorithm>
#include <cstdint>

#include "ring/layout.h"
#include "ring/way_choice.h"

namespace vpci {

class HandBack {
 public:
  static constexpr uint32_t kLineBytes = 64;
  using Way = WayChoice::Way;

  // What a sender rewrites in every packet: its headers. For packets above kLongestPacket it costs more than
  // it gains.
  static constexpr uint32_t kPacketBytes = 128;
  static constexpr uint32_t kLongestPacket = 1024;

  Way way = Way::kLeave;

  // Begins with what paid where it was measured: `near` for a near peer, CLFLUSHOPT for a far one. A CPU that
  // lacks one of the instructions leaves lines alone.
  void Start(Way near = Way::kClean);

  // Call before a burst, with a word that the peer writes when it makes something available, and the packets
  // of the queue so far. One call in kBursts times the load of the word, which comes from the peer's cache if
  // the peer has just written it.
  void Look(const uint16_t* word, const uint64_t& packets) {
    if (able_ && ++looks_ % WayChoice::kBursts == 0) Choose(word, packets);
  }
  // Records the duration of a timed load, in cycles; returns whether the peer is far.
  bool Count(uint64_t cycles);

  // Whether handing back lines is worthwhile for this many packets.
  bool Pays(uint32_t packets) const { return way != Way::kLeave && packets >= WayChoice::kFewest; }

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
  void Choose(const uint16_t* word, uint64_t packets);
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
  bool is_far_ = false;
  uint8_t looks_ = 0;
  uint8_t far_ = 0;  // balance of recent timed loads: far counts up, near counts down
  WayChoice choice_;
};

}  // namespace vpci
