// SPDX-License-Identifier: BSD-3-Clause
// One burst's view of a split ring in the device role. A burst creates one, peeks at entries ahead, returns
// those it has served and publishes; packed_ring.h has the same members.
#pragma once
#include "ring/chain.h"
#include "ring/device_queue.h"

namespace vpci {

// The first descriptor of an available entry, fetched.
struct Entry {
  uint64_t addr;
  uint32_t len;
  uint16_t flags;
  uint16_t id;
};

enum class Look { kEntry, kNone, kBad };

// `kWholeBatch`: with IN_ORDER, one used element may return all buffers served since the last publication, if
// their used lengths are 0 (VIRTIO 1.2, 2.7.9). `kSection`: the receiver's end of a section
// (docs/device-abi.md, "RFC 2.1"), where a frame is one descriptor without flags, and every used length is 1.
template <bool kWholeBatch, bool kSection = false>
class SplitRing {
 public:
  static constexpr uint16_t kChained = VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT;

  explicit SplitRing(DeviceQueue& q)
      : q_(q),
        desc_(q.desc),
        avail_(q.avail->ring),
        used_(q.used->ring),
        mask_(q.mask),
        published_(q.last_avail_idx),
        next_(published_),
        ready_(q.Available()) {}

  // The entry `ahead` places on, if there is one with a valid head. All entries before it must have one
  // descriptor each.
  bool Peek(uint32_t ahead, Entry* e) const {
    uint16_t id;
    if (!PeekId(ahead, &id)) return false;
    VringDesc d = LoadDesc(&desc_[id]);
    *e = {d.addr, d.len, d.flags, id};
    return true;
  }

  // Peek without fetching the descriptor.
  bool PeekId(uint32_t ahead, uint16_t* id) const {
    if (ahead >= ready_) return false;
    *id = Head(ahead);
    return __builtin_expect(*id <= mask_, 1);
  }

  // Whether there is an entry, of any shape, `slots` slots ahead.
  bool Has(uint32_t slots) const { return slots < ready_; }

  // The chain of the entry `slots` slots ahead.
  Look Walk(uint32_t slots, ChainWalker* chain) const {
    if (slots >= ready_) return Look::kNone;
    const uint16_t head = Head(slots);
    if (head > mask_) return Look::kBad;
    *chain = kSection ? ChainWalker::Section(q_, head) : ChainWalker::Split(q_, head);
    return Look::kEntry;
  }

  // Slots taken by an entry that was walked to its end: one, whatever its chain.
  static uint32_t Slots(const ChainWalker&) { return 1; }
  // Slots that the peer may have made available and that are not taken yet.
  uint32_t Left() const { return ready_; }

  // Returns the entry `slots` slots ahead; the peer sees it after Publish. Must be called in slot order.
  void Return(uint32_t slots, uint16_t id, uint32_t len, [[maybe_unused]] bool part = false) {
    if constexpr (kWholeBatch) {
      last_id_ = id;
    } else {
      StoreUsed(&used_[(next_ + slots) & mask_], id, kSection ? 1 : len);
    }
  }

  void Advance(uint32_t slots) {
    next_ = static_cast<uint16_t>(next_ + slots);
    ready_ -= slots;
  }

  uint32_t pending() const { return static_cast<uint16_t>(next_ - published_); }

  void Publish() {
    const uint32_t passed = pending();
    if (passed == 0) return;
    if constexpr (kWholeBatch) StoreUsed(&used_[published_ & mask_], last_id_, 0);
    published_ = q_.last_avail_idx = next_;
    StoreRelease(&q_.used->idx, next_);
    q_.NotifyPeer(passed);
  }

 private:
  // Head of the available entry `ahead` places on; above the mask it is no descriptor.
  uint16_t Head(uint32_t ahead) const { return LoadOnce(&avail_[(next_ + ahead) & mask_]); }

  DeviceQueue& q_;
  // Copies from the queue: the compiler knows that no store into the peer's memory changes them.
  const VringDesc* const desc_;
  const uint16_t* const avail_;
  VringUsedElem* const used_;
  const uint32_t mask_;
  uint16_t published_;
  uint16_t next_;
  uint16_t last_id_ = 0;
  uint32_t ready_;
};

}  // namespace vpci
