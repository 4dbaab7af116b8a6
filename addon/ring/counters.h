// SPDX-License-Identifier: BSD-3-Clause
// Per-queue counters, named as in DPDK. One writer (the polling thread); others read at any time. The order
// is the contract of QUEUE_COUNTERS and DRIVER_QUEUE_COUNTERS in src/native/.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

namespace vpci {

// The first bytes of a frame, zero-padded if it is shorter.
inline uint64_t First8(const uint8_t* frame, uint64_t len) {
  uint64_t first8 = 0;
  std::memcpy(&first8, frame, __builtin_expect(len >= sizeof first8, 1) ? sizeof first8 : len);
  return first8;
}

struct alignas(64) QueueCounters {
  uint64_t good_packets = 0;
  uint64_t good_bytes = 0;
  uint64_t errors = 0;
  uint64_t multicast_packets = 0;
  uint64_t broadcast_packets = 0;
  uint64_t undersize_packets = 0;
  uint64_t size_bins[7] = {};  // 64, 65-127, 128-255, 256-511, 512-1023, 1024-1518, 1519-max
  uint64_t mbuf_alloc_failed = 0;
  uint64_t guest_notifications = 0;
  uint64_t guest_notifications_suppressed = 0;
  uint64_t invalid_desc = 0;
  uint64_t bursts = 0;
  uint64_t empty_bursts = 0;
  uint64_t rarp_packets = 0;
  // Entries of the peer that are harmless but unusable; they were returned as used.
  uint64_t undersize_errors = 0;  // packets without a complete Ethernet header
  uint64_t oversize_errors = 0;   // packets above 64 KiB, or larger than the whole mbuf pool
  uint64_t invalid_buffers = 0;   // wrong direction, or receive buffers with no room behind the header

  static constexpr int kCount = 23;

  // Counts `n` frames of `len` bytes each in DPDK's vhost size bins.
  void CountSize(uint32_t len, uint32_t n = 1) {
    if (len == 64) {
      size_bins[0] += n;
    } else if (len > 64 && len < 1024) {
      // 65..127 -> 1, 128..255 -> 2, 256..511 -> 3, 512..1023 -> 4
      size_bins[std::bit_width(len) - 6] += n;
    } else if (len < 64) {
      undersize_packets += n;
    } else {
      size_bins[len <= 1518 ? 5 : 6] += n;
    }
  }

  // Counts multicast and broadcast; `first8` holds at least the first six bytes of the frame.
  void CountDestination(uint64_t first8) {
    if (__builtin_expect((first8 & 1) == 0, 1)) return;
    if ((first8 & 0xffff'ffff'ffffULL) == 0xffff'ffff'ffffULL)
      broadcast_packets++;
    else
      multicast_packets++;
  }

  // One good frame of `len` bytes that starts with `first8` (zero-padded if shorter).
  void CountFrame(uint64_t first8, uint32_t len) {
    CountDestination(first8);
    CountSize(len);
    good_bytes += len;
  }
};

// Counts the frames of a batch as CountFrame does. Most batches hold frames of one length, so each run of
// equal lengths is counted once, at its end.
class FrameTally {
 public:
  explicit FrameTally(QueueCounters& counters) : counters_(counters) {}
  ~FrameTally() { EndRun(); }

  void Count(uint64_t first8, uint32_t len) {
    if (__builtin_expect(first8 & 1, 0)) counters_.CountDestination(first8);
    if (__builtin_expect(len != len_, 0)) {
      EndRun();
      len_ = len;
    }
    run_++;
  }

 private:
  void EndRun() {
    if (run_ > 0) counters_.CountSize(len_, run_);
    counters_.good_bytes += uint64_t{len_} * run_;
    run_ = 0;
  }

  QueueCounters& counters_;
  uint32_t len_ = 0;
  uint32_t run_ = 0;
};

struct alignas(64) DriverQueueCounters {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t bad_checksum = 0;
  uint64_t out_of_sequence = 0;
  uint64_t bad_frame = 0;
  uint64_t ring_errors = 0;
  uint64_t kicks = 0;

  static constexpr int kCount = 7;
};

}  // namespace vpci
