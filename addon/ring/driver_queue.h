// SPDX-License-Identifier: BSD-3-Clause
// A virtqueue in the driver role: the ring, its free descriptors, publication and kicks. The class on top
// decides what the buffers hold: the built-in peer's frames (burst/peer_traffic.h), or mbufs.
#pragma once
#include <cstdint>
#include <vector>

#include "ring/counters.h"
#include "ring/driver_ring.h"
#include "ring/shared_access.h"
#include "ring/signal.h"

namespace vpci {

class DriverQueue {
 public:
  DriverQueueCounters counters;

 protected:
  // All descriptors start free. False if any part of the ring lies outside the memory or is misaligned.
  bool InitRing(QueueRole role, const DriverQueueSetup& setup);

  // Calls `run` with the queue's ring.
  template <class Run>
  auto OnRing(Run run) {
    return packed_ ? run(packed_ring_) : run(split_ring_);
  }
  // The same with the rings of two queues, which must be of the same kind.
  template <class Run>
  auto OnRings(DriverQueue& other, Run run) {
    return packed_ ? run(packed_ring_, other.packed_ring_) : run(split_ring_, other.split_ring_);
  }
  bool SameKind(const DriverQueue& other) const { return packed_ == other.packed_; }

  // Exposes the `n` buffers posted since the last publication to the back-end, and kicks it if it wants that.
  template <class Ring>
  void Publish(Ring& ring, uint32_t n) {
    if (n == 0) return;
    ring.Expose();
    // Orders our index before our load of the back-end's suppression word (VIRTIO 1.2, 2.7.13.3.1).
    FullFence();
    if (kick_fd_ < 0 || !ring.WantsKick(n)) return;
    // The back-end holds this eventfd too, so the call must not block.
    if (SignalEventfd(kick_fd_)) counters.kicks++;
  }

  // Frees the descriptors of returned buffers, calling `done(id)` for each.
  template <class Ring, class Done>
  void Reclaim(Ring& ring, Done done) {
    const bool sane = ring.Reclaim([&](uint32_t id) {
      done(id);
      GiveFree(id);
    });
    if (!sane) Fail();
  }
  template <class Ring>
  void Reclaim(Ring& ring) {
    Reclaim(ring, [](uint32_t) {});
  }

  uint32_t free_count() const { return free_count_; }
  uint32_t TakeFree() {
    free_count_--;
    return free_[free_head_++ & free_mask_];
  }
  void GiveFree(uint32_t id) { free_[(free_head_ + free_count_++) & free_mask_] = static_cast<uint16_t>(id); }
  // The descriptor `ahead` places down the free list; for prefetching only, it may not be free yet.
  uint32_t FreeAhead(uint32_t ahead) const { return free_[(free_head_ + ahead) & free_mask_]; }

  // The back-end broke a rule: stops this queue and counts it, nothing else.
  void Fail() {
    counters.ring_errors++;
    failed_ = true;
  }
  bool failed() const { return failed_; }

 private:
  bool packed_ = false;
  bool failed_ = false;
  int kick_fd_ = -1;
  SplitDriverRing split_ring_;
  PackedDriverRing packed_ring_;
  // First in, first out: with a back-end that keeps order, every descriptor stays at its place in the ring.
  // IN_ORDER requires that (VIRTIO 1.2, 2.7.9), and ring and table need not be rewritten.
  std::vector<uint16_t> free_;
  uint32_t free_mask_ = 0;
  uint32_t free_head_ = 0;
  uint32_t free_count_ = 0;
};

}  // namespace vpci
