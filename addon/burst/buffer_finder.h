// SPDX-License-Identifier: BSD-3-Clause
// Finds room in the peer's receive buffers for one packet of any size, whatever the shape of the buffers.
// With MRG_RXBUF it spans as many entries as needed, and all of them become visible at once (VIRTIO 1.2,
// 5.1.6.4.1). Nothing is written until all of the room has been found.
#pragma once
#include <algorithm>
#include <cstdint>

#include "ring/chain.h"
#include "ring/device_queue.h"
#include "ring/split_ring.h"

namespace vpci {

// kUnusable: the last entry visited cannot hold any part of a packet; Skip passes over it.
enum class Room { kFound, kNotYet, kNever, kUnusable, kUnreadable };

template <class Ring>
class BufferFinder {
 public:
  static constexpr uint32_t kMaxEntries = 256;

  BufferFinder(DeviceQueue& q, Ring& ring) : q_(q), ring_(ring) {}

  // Finds `need` bytes, header included, starting at the next entry.
  Room Find(uint32_t need) {
    for (uint32_t room = 0; room < need; room += entry_[entries_ - 1].bytes) {
      if (entries_ > 0 && !q_.mergeable) return Room::kNever;
      if (entries_ == kMaxEntries || slots_ >= q_.size()) return Room::kNever;
      const Room result = TakeEntry(need - room);
      if (result != Room::kFound) return result;
    }
    return Room::kFound;
  }

  // Visits the pieces in order: `write(piece, length)`.
  template <class Write>
  void Fill(Write write) {
    for (uint32_t i = 0; i < segments_; i++) write(segment_[i].base, segment_[i].len);
  }

  // Returns the entries to the peer; it sees them once the ring is published.
  void Return() {
    for (uint32_t i = 0; i < entries_; i++)
      ring_.Return(entry_[i].slot, entry_[i].id, entry_[i].bytes, i > 0);
    ring_.Advance(slots_);
  }

  // Returns the entries without a packet. Those before an unusable one go back too, since the entries of a
  // packet must be consecutive.
  void Skip() {
    for (uint32_t i = 0; i < entries_; i++) ring_.Return(entry_[i].slot, entry_[i].id, 0);
    ring_.Advance(slots_);
  }

  uint32_t entries() const { return entries_; }

 private:
  static constexpr uint32_t kMaxSegments = 512;

  struct Taken {
    uint32_t slot;
    uint32_t bytes;
    uint16_t id;
  };

  Room TakeEntry(uint32_t need) {
    ChainWalker chain;
    const Look look = ring_.Walk(slots_, &chain);
    if (look != Look::kEntry) return look == Look::kNone ? Room::kNotYet : Room::kUnreadable;
    uint32_t bytes = 0;
    bool readable = false;
    Segment s;
    for (WalkResult r; (r = chain.Next(&s)) != WalkResult::kEnd;) {
      if (r == WalkResult::kBad) return Room::kUnreadable;
      readable |= !s.writable;
      if (readable || bytes >= need) continue;  // checked to the end, but not needed
      if (segments_ == kMaxSegments) return Room::kNever;
      const uint32_t take = std::min(s.len, need - bytes);
      segment_[segments_++] = {s.base, take, true};
      bytes += take;
    }
    const uint32_t slots = Ring::Slots(chain);
    if (slots > ring_.Left() - slots_) return Room::kUnreadable;
    const bool usable = !readable && bytes >= LeastBytes();
    entry_[entries_++] = {slots_, bytes, chain.id()};
    slots_ += slots;
    return usable ? Room::kFound : Room::kUnusable;
  }

  // The header must lie in the first entry as a whole (VIRTIO 1.2, 5.1.6.3.1); without MRG_RXBUF everything
  // must.
  uint32_t LeastBytes() const {
    if (entries_ > 0) return 1;
    return q_.mergeable ? q_.hdr_bytes : q_.hdr_bytes + 1u;
  }

  DeviceQueue& q_;
  Ring& ring_;
  uint32_t entries_ = 0;
  uint32_t segments_ = 0;
  uint32_t slots_ = 0;
  Taken entry_[kMaxEntries];
  Segment segment_[kMaxSegments];
};

}  // namespace vpci
