// SPDX-License-Identifier: BSD-3-Clause
// Walks one descriptor chain of the peer: every descriptor is fetched once, translated whole, and the walk is
// bounded by the ring's size, so a loop ends it (VIRTIO 1.2, 2.7.5.3; compare CVE-2019-9547).
#pragma once
#include <cstdint>

#include "ring/device_queue.h"

namespace vpci {

struct Segment {
  uint8_t* base;
  uint32_t len;
  bool writable;
};

enum class WalkResult { kSegment, kEnd, kBad };

class ChainWalker {
 public:
  ChainWalker(const DeviceQueue& q, uint16_t head)
      : memory_(*q.memory), table_(q.desc), table_size_(q.size()), ttl_(q.size()), at_(head) {}

  // The next buffer of the chain.
  WalkResult Next(Segment* out);

 private:
  bool EnterIndirect(const VringDesc& d);

  const MemoryTable& memory_;
  const VringDesc* table_;
  uint32_t table_size_;
  uint32_t ttl_;
  uint32_t at_;
  bool indirect_ = false;
  bool more_ = true;
};

}  // namespace vpci
