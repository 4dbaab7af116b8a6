// SPDX-License-Identifier: BSD-3-Clause
// A virtqueue of the peer in the device role: ring pointers, position, and its gates (gate.h).
//
// One thread polls a queue. Any other thread may call Quiesce: it closes the gate and waits until a burst
// that is under way has left, after which nothing touches the peer's memory. A burst is bounded work, so the
// wait is short, unless the burst sleeps in the peer's memory: then the queue is given up (kStuck).
#pragma once
#include <atomic>
#include <cstdint>

#include "ring/burst_state.h"
#include "ring/counters.h"
#include "ring/gate.h"
#include "ring/layout.h"
#include "ring/memory_table.h"
#include "ring/notify.h"
#include "ring/shared_access.h"

namespace vpci {

// Where the process that works a packed ring stands, in memory of its own that outlives it: a packed ring
// holds no index that would tell (docs/device-abi.md, "Position words"). It lies over the head of a driver
// area.
struct PositionWords {
  // Low half: the position after what the peer has been shown. High half: the same after what it is being
  // shown.
  uint32_t places;
  // Which ring that is about.
  uint16_t serial;

  static uint32_t Places(uint16_t shown, uint16_t next) { return shown | uint32_t{next} << 16; }
};

// What lies over the head of a driver area.
struct DriverArea {
  PositionWords position;
  GateWords gate;
};

struct RingSetup {
  MemoryTable* memory;
  // Descriptor, driver and device area (VIRTIO 1.2, 2.6).
  uint64_t desc;
  uint64_t avail;
  uint64_t used;
  uint32_t size;
  // Where to go on: of a split ring the index of the next available entry, of a packed ring its slot and, in
  // bit 15, the wrap counter (as in vhost-user's VRING_BASE).
  uint16_t last_avail_idx;
  uint64_t features;
  int notify_fd;
  // False for a queue that is polled: the driver is asked not to kick.
  bool want_kicks = false;
  // Packed ring: where to keep the position, and which ring these words are to speak of; null for nowhere.
  PositionWords* position = nullptr;
  // The gate of who hands out the ring; null for none.
  GateWords* gate = nullptr;
  uint16_t serial = 0;
};

enum class StartError { kNone, kBadSize, kMisaligned, kOutsideMemory, kBadIndex, kRunning, kStuck };

struct alignas(64) DeviceQueue : Gate {
  // Quiesce has given up.
  static constexpr int32_t kStuck = -1;
  static constexpr uint32_t kPatienceMs = 1000;

  // --- written by both threads
  // (and the words of Gate)
  // An address that the next receive burst is to announce (burst/announce.h); 0 for none.
  std::atomic<uint64_t> announce{0};
  // Changed only while `busy` cannot rise: what a burst finds behind them stays mapped until it leaves.
  GateWords* gate = &own_gate;
  uint32_t serial = 0;

  // --- set by Start, read by bursts
  alignas(64) const VringDesc* desc = nullptr;
  const VringAvail* avail = nullptr;
  VringUsed* used = nullptr;
  // A packed ring has these instead of the three above.
  VringPackedDesc* packed = nullptr;
  const VringPackedDescEvent* driver_event = nullptr;
  VringPackedDescEvent* device_event = nullptr;
  // The next entry to take, which is also the next to return, since this back-end returns descriptors in the
  // order in which it took them. The form is that of RingSetup.
  uint16_t last_avail_idx = 0;
  uint16_t mask = 0;
  uint16_t hdr_bytes = 0;
  bool mergeable = false;
  // Which instance of the burst functions fits what was negotiated (burst/device_rx.cc, burst/device_tx.cc).
  uint8_t variant = 0;

  // --- the peer's memory: the region that was met last, then all of them
  alignas(64) uint64_t region_gpa = 0;
  uint64_t region_size = 0;
  uint8_t* region_base = nullptr;
  uint64_t region_mapping_offset = 0;
  uint32_t region_mapping = 0;
  MemoryTable* memory = nullptr;
  uint64_t features = 0;
  uint32_t ring_size = 0;
  int notify_fd = -1;
  // A message queue (message_queue.h) returns chains in any order and counts the returned ones here.
  uint16_t message_used_idx = 0;
  QueueRole role = QueueRole::kRx;
  PositionWords* position = &unread_position;
  PositionWords unread_position{};
  std::atomic<bool> given_up{false};
  // Handle of the mapping that `position` and `gate` point into, 0 for none.
  uint32_t place_mapping = 0;
  GateWords own_gate;

  QueueCounters counters;
  BurstState burst;

  uint32_t size() const { return ring_size; }
  bool is_packed() const { return packed != nullptr; }
  bool event_idx() const { return HasFeature(features, VIRTIO_F_RING_EVENT_IDX); }

  StartError Start(const RingSetup& setup);
  // Returns where the next available entry is that was not taken, or kStuck when a burst does not leave in
  // time. The memory then has to stay until Stuck() is false; a queue that is stuck is not waited for again.
  int32_t Quiesce(uint32_t patience_ms = kPatienceMs);
  // A burst that Quiesce gave up on is inside still.
  bool Stuck() const { return given_up.load() && Inside(); }

  // Both gates of a burst; the second may be looked at only inside the first, and nothing is entered while
  // the application holds entries.
  bool Enter() {
    if (__builtin_expect(burst.held != 0, 0)) return false;
    if (__builtin_expect(!Gate::Enter(), 0)) return false;
    if (__builtin_expect(gate->Enter(serial), 1)) return true;
    Leave();
    return false;
  }
  // To be asked inside: the ring's owner, or this process, no longer waits for the burst.
  bool Lost() const { return gate->Revoked() || given_up.load(); }
  void Leave() {
    gate->Leave();
    Gate::Leave();
  }

  // The peer broke a rule of the ring: nobody touches it again until the next Start.
  void Break() {
    counters.invalid_desc++;
    QueueState expected = QueueState::kRunning;
    state.compare_exchange_strong(expected, QueueState::kBroken, std::memory_order_seq_cst);
  }

  // MemoryTable::Translate, which tries the last region hit first: buffers of one peer lie together.
  uint8_t* Translate(uint64_t gpa, uint64_t len) {
    uint64_t offset = gpa - region_gpa;
    if (__builtin_expect(offset < region_size && len <= region_size - offset, 1)) return region_base + offset;
    return TranslateElsewhere(gpa, len);
  }

  // What the peer writes when it makes an entry available.
  const uint16_t* doorstep() const {
    return packed ? &packed[last_avail_idx & ~VRING_PACKED_WRAP].flags : &avail->idx;
  }

  // Split ring: how many available entries wait; breaks the queue when the peer claims more than the ring
  // holds.
  uint32_t Available() {
    uint16_t ready = static_cast<uint16_t>(LoadAcquire(&avail->idx) - last_avail_idx);
    if (__builtin_expect(ready > size(), 0)) {
      Break();
      return 0;
    }
    return ready;
  }

  // Split ring: head of the available entry `index` (free-running), or -1 when it names no descriptor.
  int32_t Head(uint16_t index) const {
    uint16_t head = LoadOnce(&avail->ring[index & mask]);
    return __builtin_expect(head <= mask, 1) ? head : -1;
  }

  // Arms the peer's kicks for the next entry that it makes available. True when nothing waits, or the queue
  // does not run: the caller may sleep. False when there is work already; then nothing is armed.
  bool Arm();
  void Disarm();

  // To be called after used entries were published: signals the peer when it wants that. `passed` slots lie
  // between the position that was published before and last_avail_idx.
  void NotifyPeer(uint32_t passed);

 private:
  StartError LaySplit(const RingSetup& setup);
  StartError LayPacked(const RingSetup& setup);
  uint8_t* TranslateElsewhere(uint64_t gpa, uint64_t len);
  bool WaitUntilIdle(uint32_t patience_ms);
  void PlacePosition(const RingSetup& setup);
  bool HasWork();
  void AskForKicks(bool want);
  bool PeerWantsCall(uint32_t passed) const;
};

}  // namespace vpci
