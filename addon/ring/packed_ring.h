// SPDX-License-Identifier: BSD-3-Clause
// One burst's view of a packed ring in the device role (VIRTIO 1.2, 2.8). Same members as split_ring.h; a
// slot is a descriptor of the ring.
//
// A successor to a killed process must find a ring in which the used descriptors of whole packets precede all
// others. So nothing is written to the ring before Publish, which writes packet by packet and records its
// progress in the position words of RingSetup.
#pragma once
#include "ring/chain.h"
#include "ring/device_queue.h"
#include "ring/split_ring.h"

namespace vpci {

template <bool kWholeBatch>
class PackedRing {
 public:
  static constexpr uint16_t kChained = VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT;
  // Entries between two publications. Callers publish at the latest when a batch of slots is pending (kBatch
  // in burst/burst.h); another batch or a packet of 256 entries (burst/buffer_finder.h) may come on top.
  static constexpr uint32_t kMaxReturned = 288;

  explicit PackedRing(DeviceQueue& q)
      : q_(q),
        ring_(q.packed),
        size_(q.ring_size),
        next_(Position::Of(q.last_avail_idx)),
        published_(next_) {}

  // Never a slot already taken in this burst: the peer may not have it back yet.
  bool Peek(uint32_t ahead, Entry* e) const {
    if (ahead >= Left()) return false;
    const Position p = next_.Plus(ahead, size_);
    VringPackedDesc d = LoadPackedDesc(&ring_[p.slot]);
    if (!PackedAvailable(d.flags, p.wrap)) return false;
    *e = {d.addr, d.len, static_cast<uint16_t>(d.flags & ~kOwner), d.id};
    return true;
  }

  bool PeekId(uint32_t ahead, uint16_t* id) const {
    Entry e;
    if (!Peek(ahead, &e)) return false;
    *id = e.id;
    return true;
  }

  bool Has(uint32_t slots) const {
    Entry e;
    return Peek(slots, &e);
  }

  Look Walk(uint32_t slots, ChainWalker* chain) const {
    if (!Has(slots)) return Look::kNone;
    *chain = ChainWalker::Packed(q_, next_.Plus(slots, size_).slot);
    return Look::kEntry;
  }

  static uint32_t Slots(const ChainWalker& chain) { return chain.slots(); }
  uint32_t Left() const { return size_ - taken_; }

  // The used descriptor of a list goes into its first slot. `part`: the entry continues the packet of the
  // entry before.
  void Return(uint32_t slots, uint16_t id, uint32_t len, bool part = false) {
    const Position at = kWholeBatch ? published_ : next_.Plus(slots, size_);
    if constexpr (kWholeBatch) count_ = 0;
    returned_[count_++] = {UsedTail(id, len, at.wrap), at.Packed(), part};
  }

  void Advance(uint32_t slots) {
    next_ = next_.Plus(slots, size_);
    pending_ += slots;
    taken_ += slots;
  }

  uint32_t pending() const { return pending_; }

  void Publish() {
    if (pending_ == 0) return;
    const uint16_t end = q_.last_avail_idx = next_.Packed();
    returned_[count_] = {0, end, false};
    for (uint32_t i = 0; i < count_; i++) {
      if (__builtin_expect(returned_[i + 1].part, 0))
        i = ShowParts(i);
      else
        ShowOne(i);
    }
    Note(end, end);
    q_.NotifyPeer(pending_);
    published_ = next_;
    pending_ = count_ = 0;
  }

 private:
  static constexpr uint16_t kOwner = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;

  struct Position {
    uint16_t slot;
    bool wrap;

    static Position Of(uint16_t index) {
      return {static_cast<uint16_t>(index & ~VRING_PACKED_WRAP), (index & VRING_PACKED_WRAP) != 0};
    }
    uint16_t Packed() const { return static_cast<uint16_t>(slot | (wrap ? VRING_PACKED_WRAP : 0)); }
    // `slots` is at most `size`.
    Position Plus(uint32_t slots, uint32_t size) const {
      const uint32_t at = slot + slots;
      return at < size ? Position{static_cast<uint16_t>(at), wrap}
                       : Position{static_cast<uint16_t>(at - size), !wrap};
    }
  };

  struct Returned {
    uint64_t tail;
    uint16_t at;
    bool part;
  };

  // Exposes one packet to the peer, after recording where the next one begins.
  void ShowOne(uint32_t i) {
    Note(returned_[i].at, returned_[i + 1].at);
    StoreTail(i);
  }
  // The peer reads used descriptors in slot order, so writing the first one last hides the packet until it is
  // complete. Returns the index of its last entry.
  uint32_t ShowParts(uint32_t first) {
    uint32_t last = first + 1;
    while (returned_[last + 1].part) last++;
    Note(returned_[first].at, returned_[last + 1].at);
    for (uint32_t i = last; i > first; i--) StoreTail(i);
    StoreTail(first);
    return last;
  }
  void Note(uint16_t shown, uint16_t next) {
    StoreRelease(&q_.position->places, PositionWords::Places(shown, next));
  }
  void StoreTail(uint32_t i) {
    const uint16_t slot = returned_[i].at & static_cast<uint16_t>(~VRING_PACKED_WRAP);
    StoreRelease(PackedTail(&ring_[slot]), returned_[i].tail);
  }

  // VIRTIO 1.2, 2.8.1 and 2.8.12: WRITE marks the length as valid.
  static uint64_t UsedTail(uint16_t id, uint32_t len, bool wrap) {
    const uint16_t flags = static_cast<uint16_t>((wrap ? kOwner : 0) | (len ? VRING_DESC_F_WRITE : 0));
    return len | uint64_t{id} << 32 | uint64_t{flags} << 48;
  }

  DeviceQueue& q_;
  VringPackedDesc* const ring_;
  const uint32_t size_;
  Position next_;
  Position published_;
  uint32_t pending_ = 0;  // slots since the last publication
  uint32_t taken_ = 0;    // slots since the burst began
  uint32_t count_ = 0;
  Returned returned_[kMaxReturned + 1];
};

}  // namespace vpci
