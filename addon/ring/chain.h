// SPDX-License-Identifier: BSD-3-Clause
// Walks one descriptor chain of the peer. Every descriptor is fetched once and its address translated whole;
// the number of steps is bounded by the ring's size, so a loop ends the walk (VIRTIO 1.2, 2.7.5.3; compare
// CVE-2019-9547).
#pragma once
#include <cstdint>

#include "ring/layout.h"

namespace vpci {

struct DeviceQueue;

struct Segment {
  uint8_t* base;
  uint32_t len;
  bool writable;
};

enum class WalkResult { kSegment, kEnd, kBad };

class ChainWalker {
 public:
  // An empty chain.
  ChainWalker() = default;
  // The chain of a split ring that starts at descriptor `head`, which must be below the ring size.
  static ChainWalker Split(DeviceQueue& q, uint16_t head);
  // Descriptor `head` of a section, which must have no flags.
  static ChainWalker Section(DeviceQueue& q, uint16_t head);
  // The list of a packed ring that starts in slot `at`, which must be below the ring size.
  static ChainWalker Packed(DeviceQueue& q, uint16_t at);

  // The next non-empty buffer of the chain.
  WalkResult Next(Segment* out);

  // Valid after kEnd: the id for the used entry, and the number of packed-ring slots that the chain took.
  uint16_t id() const { return id_; }
  uint16_t slots() const { return slots_; }

 private:
  enum class Table : uint8_t { kSplit, kSection, kPackedRing, kPackedIndirect };
  struct Descriptor {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
  };

  ChainWalker(DeviceQueue& q, Table kind, const void* table, uint32_t size, uint16_t at)
      : q_(&q), table_(table), table_size_(size), ttl_(size), at_(at), id_(at), kind_(kind), more_(true) {}

  Descriptor Load();
  bool EnterIndirect(const Descriptor& d);

  DeviceQueue* q_ = nullptr;
  const void* table_ = nullptr;
  uint32_t table_size_ = 0;
  uint32_t ttl_ = 0;
  uint32_t at_ = 0;
  uint16_t id_ = 0;
  uint16_t slots_ = 0;
  Table kind_ = Table::kSplit;
  bool indirect_ = false;
  bool more_ = false;
};

}  // namespace vpci
