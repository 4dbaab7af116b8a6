// SPDX-License-Identifier: BSD-3-Clause
// A virtqueue of the peer in the device role: state, ring pointers, and the gate that lets another thread
// stop it.
//
// One thread polls a queue. Any other thread may call Quiesce: it closes the gate and waits until a burst
// that is under way has left, after which nothing touches the peer's memory. A burst is bounded work, so the
// wait is short.
#pragma once
#include <atomic>
#include <cstdint>

#include "ring/counters.h"
#include "ring/layout.h"
#include "ring/memory_table.h"
#include "ring/shared_access.h"

namespace vpci {

enum class QueueRole : uint8_t { kRx, kTx };
// The values are the contract of QUEUE_STOPPED, QUEUE_RUNNING and QUEUE_BROKEN in src/native.ts.
enum class QueueState : uint32_t { kStopped = 0, kRunning = 1, kBroken = 2 };

struct RingSetup {
  MemoryTable* memory;
  uint64_t desc;
  uint64_t avail;
  uint64_t used;
  uint32_t size;
  uint16_t last_avail_idx;
  uint64_t features;
  int notify_fd;
  // False for a queue that is polled: the driver is asked not to kick.
  bool want_kicks = false;
};

enum class StartError { kNone, kBadSize, kMisaligned, kOutsideMemory, kRunning };

struct alignas(64) DeviceQueue {
  // --- written by both threads
  std::atomic<uint32_t> busy{0};
  std::atomic<QueueState> state{QueueState::kStopped};

  // --- set by Start, read by bursts
  alignas(64) const VringDesc* desc = nullptr;
  const VringAvail* avail = nullptr;
  VringUsed* used = nullptr;
  MemoryTable* memory = nullptr;
  uint16_t mask = 0;
  // The only field below that a burst writes: it is both the next available entry and the next used entry,
  // since this back-end returns descriptors in the order in which it took them.
  uint16_t last_avail_idx = 0;
  // Message queues (chainTake, chainReturn) return chains in any order and count the returned ones here.
  uint16_t message_used_idx = 0;
  uint16_t hdr_bytes = 0;
  bool mergeable = false;
  QueueRole role = QueueRole::kRx;
  int notify_fd = -1;

  QueueCounters counters;

  uint32_t size() const { return uint32_t{mask} + 1; }

  StartError Start(const RingSetup& setup);
  // Returns the index of the next available entry that was not taken.
  uint16_t Quiesce();

  // Gate of every burst. The store and the load are sequentially consistent against those in Quiesce: either
  // the burst sees the closed gate or Quiesce sees the burst.
  bool Enter() {
    busy.store(1, std::memory_order_seq_cst);
    if (__builtin_expect(state.load(std::memory_order_seq_cst) == QueueState::kRunning, 1)) return true;
    Leave();
    return false;
  }
  void Leave() { busy.store(0, std::memory_order_release); }

  // The peer broke a rule of the ring: nobody touches it again until the next Start.
  void Break() {
    counters.invalid_desc++;
    QueueState expected = QueueState::kRunning;
    state.compare_exchange_strong(expected, QueueState::kBroken, std::memory_order_seq_cst);
  }

  // How many available entries wait; breaks the queue when the peer claims more than the ring holds.
  uint32_t Available() {
    uint16_t ready = static_cast<uint16_t>(LoadAcquire(&avail->idx) - last_avail_idx);
    if (__builtin_expect(ready > size(), 0)) {
      Break();
      return 0;
    }
    return ready;
  }

  // Head of the available entry `index` (free-running), or -1 when it names no descriptor.
  int32_t Head(uint16_t index) const {
    uint16_t head = LoadOnce(&avail->ring[index & mask]);
    return __builtin_expect(head <= mask, 1) ? head : -1;
  }

  // Publishes `n` used elements written at last_avail_idx onwards, and tells the peer when it wants to be
  // told.
  void Publish(uint32_t n);

  // Polling finds its work by itself and asks the peer not to kick (VIRTIO 1.2, 2.7.10).
  void AskForKicks(bool want) { StoreOnce(&used->flags, want ? uint16_t{0} : VRING_USED_F_NO_NOTIFY); }
};

}  // namespace vpci
