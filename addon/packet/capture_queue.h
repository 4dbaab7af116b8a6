// SPDX-License-Identifier: BSD-3-Clause
// A capture of one queue: the thread that works the queue copies packets into a ring that another process
// empties. The ring is bounded; a packet that finds no room is counted and not waited for.
//
// The other process may write anything into the ring. Where the next record goes is known here alone; of the
// shared words only the reader's position is used, read once and compared.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "packet/capture_filter.h"
#include "packet/mbuf_pool.h"

namespace vpci {

// The head of a ring; its data follow at kCaptureData. Mirrored in src/pdump/ring.ts.
struct CaptureRingHead {
  alignas(64) uint32_t head;  // bytes ever written, modulo 2^32
  alignas(64) uint32_t tail;  // bytes ever read
};

// A packet in the ring, at a multiple of 8, followed by `present` bytes. Records are not split: `present` of
// kCaptureWrap means that the next one is at the ring's start.
struct CaptureRecord {
  uint32_t present;
  uint32_t length;
  uint64_t time;  // nanoseconds since 1970
};

inline constexpr uint32_t kCaptureData = 4096;
inline constexpr uint32_t kCaptureWrap = 0xffffffff;
inline constexpr uint32_t kMinCaptureRing = 4096;
inline constexpr uint32_t kMaxCaptureRing = 1u << 30;

struct CaptureCounts {
  uint64_t accepted = 0;
  uint64_t filtered = 0;
  uint64_t dropped = 0;
};

class CaptureQueue {
 public:
  // `memory`: kCaptureData + `bytes` bytes, zeroed; `bytes` is a power of two within the limits above.
  CaptureQueue(uint8_t* memory, uint32_t bytes, uint32_t snaplen, CaptureFilter filter);

  // HOT. Copies of packets that have been received.
  void Received(MbufPool& pool, const uint32_t* ids, uint32_t n);
  // HOT. Copies of packets that a burst is about to take, since that frees them; Sent shows the first `n`,
  // which it took, and forgets the others.
  void Sending(MbufPool& pool, const uint32_t* ids, uint32_t n);
  void Sent(uint32_t n);

  // Callable on any thread.
  CaptureCounts counts() const;

 private:
  enum class Fate : uint8_t { kAccepted, kFiltered, kDropped };
  // Of a packet in a burst: the ring's position behind it.
  struct Outcome {
    uint32_t position;
    Fate fate;
  };

  Fate Put(MbufPool& pool, uint32_t id, uint64_t time);
  uint8_t* Room(uint32_t present);
  const uint8_t* Whole(MbufPool& pool, uint32_t id, uint32_t* present);
  void Publish();
  void Count(Fate fate) {
    auto& counter = counts_[static_cast<size_t>(fate)];
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  CaptureRingHead* const shared_;
  uint8_t* const data_;
  const uint32_t bytes_;
  const uint32_t snaplen_;
  const CaptureFilter filter_;
  uint32_t position_ = 0;
  uint32_t shared_position_ = 0;  // of what the reader may see
  uint32_t read_ = 0;             // the reader's position when it was looked at last
  std::vector<Outcome> burst_;
  std::unique_ptr<uint8_t[]> pieces_;  // a packet of several mbufs
  std::atomic<uint64_t> counts_[3] = {};
};

}  // namespace vpci
