// SPDX-License-Identifier: BSD-3-Clause
// The two kinds of virtqueue in the driver role. Each descriptor `id` owns a buffer in the memory; a buffer
// elsewhere may be posted under that id instead. The back-end's writes are not trusted: an id that is out of
// range or not in flight is nonsense.
#pragma once
#include <cstdint>
#include <vector>

#include "ring/gate.h"
#include "ring/layout.h"
#include "ring/notify.h"
#include "ring/shared_access.h"

namespace vpci {

struct DriverQueueSetup {
  uint8_t* base;                        // of the shared memory
  uint64_t length;                      // of the shared memory
  uint64_t desc, avail, used, buffers;  // byte offsets; descriptor, driver and device area
  uint64_t gpa;                         // guest-physical, of the first byte
  uint32_t size;
  uint32_t buffer_size;  // header included
  uint64_t features;
  int kick_fd;
};

struct UsedBuffer {
  uint32_t id;
  uint32_t len;
};

enum class Used { kBuffer, kNone, kNonsense };

// Common to both kinds: which buffers the back-end holds, in the order in which they were posted.
class DriverRingBase {
 public:
  uint32_t size() const { return size_; }

 protected:
  void InitBase(const DriverQueueSetup& setup, QueueRole role);
  bool InFlight(uint32_t id) const { return id < size_ && in_flight_[id]; }
  void Sent(uint32_t id) {
    in_flight_[id] = 1;
    order_[sent_++ & order_mask_] = static_cast<uint16_t>(id);
  }
  uint64_t BufferAddress(uint32_t id) const { return buffers_gpa_ + uint64_t{id} * buffer_size_; }
  // The buffer that has been in flight longest; kNonsense if none is.
  Used Oldest(uint32_t* id) {
    if (taken_ == sent_) return Used::kNonsense;
    *id = order_[taken_ & order_mask_];
    return Used::kBuffer;
  }
  void Taken(uint32_t id) {
    in_flight_[id] = 0;
    taken_++;
  }

  uint32_t size_ = 0;
  uint32_t buffer_size_ = 0;
  uint64_t buffers_gpa_ = 0;
  bool writable_ = false;  // the back-end writes into the buffers
  bool in_order_ = false;
  bool event_idx_ = false;

 private:
  std::vector<uint8_t> in_flight_;
  std::vector<uint16_t> order_;
  uint32_t order_mask_ = 0;
  uint32_t sent_ = 0;
  uint32_t taken_ = 0;
};

// VIRTIO 1.2, 2.7.
class SplitDriverRing : public DriverRingBase {
 public:
  static bool Fits(const DriverQueueSetup& setup);
  void Init(const DriverQueueSetup& setup, QueueRole role);

  // The used buffer `ahead` places on.
  Used Peek(uint32_t ahead, UsedBuffer* out);
  // Probable id of the buffer `ahead` places on: for prefetching only.
  uint32_t Hint(uint32_t ahead) const {
    return LoadOnce(&used_->ring[(used_idx_ + ahead) & mask_].id) & mask_;
  }
  void Consume(uint32_t n) { used_idx_ = static_cast<uint16_t>(used_idx_ + n); }
  // Calls `free(id)` for each returned buffer; false on nonsense.
  template <class Free>
  bool Reclaim(Free free);

  // Makes the buffer of `id` available; the back-end sees it after Expose at the latest.
  void Post(uint32_t id, uint32_t len);
  // Makes the buffer at `gpa` available under `id`, whose own buffer must not be posted afterwards.
  void Post(uint32_t id, uint64_t gpa, uint32_t len);
  void Expose() { StoreRelease(&avail_->idx, avail_idx_); }
  // Whether the back-end wants a kick for the `n` buffers exposed last.
  bool WantsKick(uint32_t n) const;

 private:
  // Number of used entries pending. The index is reloaded only when more than `ahead` entries are needed than
  // are known: the back-end's core writes that line.
  uint16_t Ready(uint32_t ahead) {
    if (ahead >= static_cast<uint16_t>(seen_idx_ - used_idx_)) seen_idx_ = LoadAcquire(&used_->idx);
    return static_cast<uint16_t>(seen_idx_ - used_idx_);
  }

  VringDesc* desc_ = nullptr;
  VringAvail* avail_ = nullptr;
  const VringUsed* used_ = nullptr;
  uint16_t mask_ = 0;
  uint16_t avail_idx_ = 0;  // ours, including entries not yet exposed
  uint16_t used_idx_ = 0;   // next used entry to read
  uint16_t seen_idx_ = 0;   // the back-end's index when last loaded
};

// VIRTIO 1.2, 2.8. A buffer is visible as soon as it is posted.
class PackedDriverRing : public DriverRingBase {
 public:
  static bool Fits(const DriverQueueSetup& setup);
  void Init(const DriverQueueSetup& setup, QueueRole role);

  Used Peek(uint32_t ahead, UsedBuffer* out);
  uint32_t Hint(uint32_t ahead) const {
    const uint32_t id = LoadOnce(&ring_[Plus(used_, ahead).slot].id);
    return id < size_ ? id : 0;
  }
  void Consume(uint32_t n) { used_ = Plus(used_, n); }
  template <class Free>
  bool Reclaim(Free free);

  void Post(uint32_t id, uint32_t len) { Post(id, BufferAddress(id), len); }
  void Post(uint32_t id, uint64_t gpa, uint32_t len);
  void Expose() {}
  bool WantsKick(uint32_t n) const;

 private:
  struct Position {
    uint32_t slot = 0;
    bool wrap = true;  // both counters start at 1 (VIRTIO 1.2, 2.8.1)
  };
  // `n` is at most the ring size.
  Position Plus(Position p, uint32_t n) const {
    const uint32_t at = p.slot + n;
    return at < size_ ? Position{at, p.wrap} : Position{at - size_, !p.wrap};
  }

  VringPackedDesc* ring_ = nullptr;
  const VringPackedDescEvent* device_event_ = nullptr;
  Position avail_;
  Position used_;
};

template <class Free>
bool SplitDriverRing::Reclaim(Free free) {
  UsedBuffer used;
  for (;;) {
    if (in_order_) {
      // One used entry may stand for a whole batch (VIRTIO 1.2, 2.7.9): only the index counts.
      if (Ready(0) == 0) return true;
      if (Oldest(&used.id) != Used::kBuffer) return false;
    } else {
      const Used result = Peek(0, &used);
      if (result != Used::kBuffer) return result == Used::kNone;
    }
    Taken(used.id);
    Consume(1);
    free(used.id);
  }
}

template <class Free>
bool PackedDriverRing::Reclaim(Free free) {
  UsedBuffer used;
  for (;;) {
    const Used result = Peek(0, &used);
    if (result != Used::kBuffer) return result == Used::kNone;
    // With IN_ORDER one used descriptor may stand for all up to the buffer it names (VIRTIO 1.2, 2.8.9).
    for (uint32_t id = used.id, last = used.id;;) {
      if (in_order_ && Oldest(&id) != Used::kBuffer) return false;
      Taken(id);
      Consume(1);
      free(id);
      if (id == last) break;
    }
  }
}

}  // namespace vpci
