// SPDX-License-Identifier: BSD-3-Clause
// One burst's view of a packed ring in the device role (VIRTIO 1.2, 2.8). Same members as split_ring.h; a
// slot is a descriptor of the ring.
//
// A successor to a killed process must find a ring in which the used descriptors of whole packets precede all
// others. So nothing is written to the ring before Publish, which writes packet by packet and records its
// progress in the position words of RingSetup.
#pragma once
#include <algorithm>

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
      : q_(q), ring_(q.packed), size_(q.ring_size), next_(Position::Of(q.last_avail_idx)), published_(next_) {
    Aim();
  }

  // Never a slot already taken in this burst: the peer may not have it back yet.
  bool Peek(uint32_t ahead, Entry* e) const {
    if (ahead >= Left()) return false;
    // The slots up to the end of the ring are those of this lap, the others of the next.
    const bool lap = ahead >= straight_;
    const VringPackedDesc d = LoadPackedDesc(first_ + ahead - (lap ? size_ : 0));
    // Available, and not used (VIRTIO 1.2, 2.8.1).
    if ((d.flags & kOwner) != (lap ? fresh_ ^ kOwner : fresh_)) return false;
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
    if constexpr (kWholeBatch) count_ = 0;
    tail_[count_] = UsedTail(id, len);
    place_[count_++] = {static_cast<uint16_t>(kWholeBatch ? 0 : pending_ + slots), part};
    parts_ |= part;
  }

  void Advance(uint32_t slots) {
    next_ = next_.Plus(slots, size_);
    Aim();
    pending_ += slots;
    taken_ += slots;
  }

  uint32_t pending() const { return pending_; }

  void Publish() {
    if (pending_ == 0) return;
    const uint16_t end = q_.last_avail_idx = next_.Packed();
    // As many entries as slots: each has one.
    if (count_ == pending_ && !parts_)
      ShowSingles();
    else
      ShowPackets();
    Note(end, end);
    q_.NotifyPeer(pending_);
    published_ = next_;
    pending_ = count_ = 0;
    parts_ = false;
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

  void Aim() {
    first_ = &ring_[next_.slot];
    straight_ = size_ - next_.slot;
    fresh_ = next_.wrap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED;
  }

  struct Place {
    uint16_t slots;  // from the first one that is not published
    bool part;
  };

  // Exposes packets of one slot each to the peer, one by one, after recording where the next one begins.
  void ShowSingles() {
    Position at = published_;
    for (uint32_t i = 0; i < count_;) {
      // Up to the end of the ring both positions grow by one with each packet.
      const uint32_t end = std::min(count_, i + size_ - at.slot);
      const uint64_t owner = Owner(at.wrap);
      uint64_t* tail = PackedTail(&ring_[at.slot]);
      uint32_t places = PositionWords::Places(at.Packed(), static_cast<uint16_t>(at.Packed() + 1));
      const Position next = at.Plus(end - i, size_);
      for (; i + 1 < end; i++, tail += 2, places += 0x1'0001) {
        StoreRelease(&q_.position->places, places);
        StoreRelease(tail, tail_[i] | owner);
      }
      Note(places & 0xffff, next.Packed());
      StoreRelease(tail, tail_[i++] | owner);
      at = next;
    }
  }
  // The same for packets of any shape.
  void ShowPackets() {
    place_[count_] = {static_cast<uint16_t>(pending_), false};
    for (uint32_t i = 0; i < count_;) {
      uint32_t end = i + 1;
      while (place_[end].part) end++;
      Note(At(i).Packed(), At(end).Packed());
      // The peer reads used descriptors in slot order, so writing the first one last hides the packet until
      // it is complete.
      for (uint32_t last = end; last-- > i;) {
        const Position at = At(last);
        StoreRelease(PackedTail(&ring_[at.slot]), tail_[last] | Owner(at.wrap));
      }
      i = end;
    }
  }
  Position At(uint32_t i) const { return published_.Plus(place_[i].slots, size_); }
  void Note(uint16_t shown, uint16_t next) {
    StoreRelease(&q_.position->places, PositionWords::Places(shown, next));
  }

  // VIRTIO 1.2, 2.8.1 and 2.8.12: WRITE marks the length as valid.
  static uint64_t UsedTail(uint16_t id, uint32_t len) {
    return len | uint64_t{id} << 32 | uint64_t{len ? VRING_DESC_F_WRITE : 0u} << 48;
  }
  static uint64_t Owner(bool wrap) { return wrap ? uint64_t{kOwner} << 48 : 0; }

  DeviceQueue& q_;
  VringPackedDesc* const ring_;
  const uint32_t size_;
  Position next_;
  // What Peek needs of it.
  const VringPackedDesc* first_;
  uint32_t straight_;
  uint16_t fresh_;
  Position published_;
  uint32_t pending_ = 0;  // slots since the last publication
  uint32_t taken_ = 0;    // slots since the burst began
  uint32_t count_ = 0;
  bool parts_ = false;  // some entry continues a packet
  uint64_t tail_[kMaxReturned];
  Place place_[kMaxReturned + 1];
};

}  // namespace vpci
