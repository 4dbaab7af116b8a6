// SPDX-License-Identifier: BSD-3-Clause
// A virtqueue of the peer in the device role: ring pointers, position, and its gates (gate.h). Or one end of
// a section's ring (section_sender.h): the receiver of a section is a device too, the sender is the driver.
//
// One thread polls a queue. Any other thread may call Quiesce: it closes the gate and waits for a burst in
// progress to leave, after which nothing touches the peer's memory. A burst is bounded work, so the wait is
// short, unless the burst sleeps in the peer's memory: then the queue is given up (kStuck).
#pragma once
#include <atomic>
#include <cstdint>

#include "ring/burst_state.h"
#include "ring/counters.h"
#include "ring/gate.h"
#include "ring/layout.h"
#include "ring/memory_table.h"
#include "ring/notify.h"
#include "ring/section_sender.h"
#include "ring/shared_access.h"
#include "ring/variant.h"

namespace vpci {

// Position of the process that serves a packed ring, kept in memory that outlives the process, since a packed
// ring holds no index to resume from (docs/device-abi.md, "Position words"). Overlays the head of a driver
// area.
struct PositionWords {
  // Low half: the position after everything the peer has been shown. High half: the position after what it is
  // being shown now.
  uint32_t places;
  // Serial of the ring that `places` refers to.
  uint16_t serial;

  static uint32_t Places(uint16_t shown, uint16_t next) { return shown | uint32_t{next} << 16; }
};

// Overlays the head of a driver area.
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
  // Where to resume. Split ring: the index of the next available entry. Packed ring: its slot, with the wrap
  // counter in bit 15 (as in vhost-user's VRING_BASE).
  uint16_t last_avail_idx;
  uint64_t features;
  int notify_fd;
  // False for a queue that is polled: the driver is asked not to kick.
  bool want_kicks = false;
  // Packed ring: where to store the position, and the serial to store with it; null to store nothing.
  PositionWords* position = nullptr;
  // The gate of the process that handed out the ring; null for none.
  GateWords* gate = nullptr;
  uint16_t serial = 0;
};

enum class StartError { kNone, kBadSize, kMisaligned, kOutsideMemory, kBadIndex, kRunning, kStuck };

struct alignas(64) DeviceQueue : Gate {
  // Returned by Quiesce when it has given up.
  static constexpr int32_t kStuck = -1;
  static constexpr uint32_t kPatienceMs = 1000;

  // --- written by both threads (as are the words of Gate)
  // Address that the next receive burst announces (burst/announce.h); 0 for none.
  std::atomic<uint64_t> announce{0};
  // Changed only while no burst can enter, so what a burst finds here stays mapped until it leaves.
  GateWords* gate = &own_gate;
  uint32_t serial = 0;

  // --- set by Start, read by bursts
  alignas(64) const VringDesc* desc = nullptr;
  const VringAvail* avail = nullptr;
  VringUsed* used = nullptr;
  // Used by a packed ring instead of the three pointers above.
  VringPackedDesc* packed = nullptr;
  const VringPackedDescEvent* driver_event = nullptr;
  VringPackedDescEvent* device_event = nullptr;
  // The next entry to take. It is also the next one to return, since this back-end returns descriptors in the
  // order in which it took them. Same form as in RingSetup.
  uint16_t last_avail_idx = 0;
  uint16_t mask = 0;
  uint16_t hdr_bytes = 0;
  bool mergeable = false;
  // Which instance of the burst functions fits the negotiated features (burst/device_rx.cc,
  // burst/device_tx.cc).
  uint8_t variant = 0;
  // Of a section that we send by; the pointers above are null then.
  SectionSender* sender = nullptr;

  // --- the peer's memory: the region hit last, then all of them
  alignas(64) uint64_t region_gpa = 0;
  uint64_t region_size = 0;
  uint8_t* region_base = nullptr;
  uint64_t region_mapping_offset = 0;
  uint32_t region_mapping = 0;
  MemoryTable* memory = nullptr;
  uint64_t features = 0;
  uint32_t ring_size = 0;
  int notify_fd = -1;
  // A message queue (message_queue.h) returns chains in any order and counts them here.
  uint16_t message_used_idx = 0;
  QueueRole role = QueueRole::kRx;
  PositionWords* position = &unread_position;
  PositionWords unread_position{};
  std::atomic<bool> given_up{false};
  // Handle of the mapping that `position` and `gate` point into; 0 for none.
  uint32_t place_mapping = 0;
  GateWords own_gate;

  QueueCounters counters;
  BurstState burst;
  // What a section's queue uses as `sender` and `memory`.
  SectionSender own_sender;
  MemoryTable section_memory;

  uint32_t size() const { return ring_size; }
  bool is_packed() const { return packed != nullptr; }
  bool is_section() const { return (variant & kVariantSection) != 0; }
  bool event_idx() const { return HasFeature(features, VIRTIO_F_RING_EVENT_IDX); }

  StartError Start(const RingSetup& setup);
  // By its role, the queue receives from the peer's part of a section or sends by ours. kOutsideMemory: the
  // parts overlap, or the largest frame does not fit.
  StartError StartSection(const SectionSetup& setup);
  // Returns the position of the next available entry that was not taken, or kStuck if a burst does not leave
  // in time. The memory must then stay mapped until Stuck() is false; later calls do not wait again.
  int32_t Quiesce(uint32_t patience_ms = kPatienceMs);
  // True while a burst that Quiesce gave up on is still inside.
  bool Stuck() const { return given_up.load() && Inside(); }

  // Enters both gates; the second may be accessed only inside the first. Refused while the application holds
  // entries.
  bool Enter() {
    if (__builtin_expect(burst.held != 0, 0)) return false;
    if (__builtin_expect(!Gate::Enter(), 0)) return false;
    if (__builtin_expect(gate->Enter(serial), 1)) return true;
    Leave();
    return false;
  }
  // Call inside the gates: true if the ring's owner, or this process, no longer waits for the burst.
  bool Lost() const { return gate->Revoked() || given_up.load(); }
  void Leave() {
    gate->Leave();
    Gate::Leave();
  }

  // The peer broke a rule of the ring: nothing touches the ring again until the next Start.
  void Break() {
    counters.invalid_desc++;
    QueueState expected = QueueState::kRunning;
    state.compare_exchange_strong(expected, QueueState::kBroken, std::memory_order_seq_cst);
  }

  // MemoryTable::Translate, but tries the last region hit first: the buffers of one peer lie together.
  uint8_t* Translate(uint64_t gpa, uint64_t len) {
    uint64_t offset = gpa - region_gpa;
    if (__builtin_expect(offset < region_size && len <= region_size - offset, 1)) return region_base + offset;
    return TranslateElsewhere(gpa, len);
  }

  // The word that the peer writes when it makes an entry available.
  const uint16_t* doorstep() const {
    return packed ? &packed[last_avail_idx & ~VRING_PACKED_WRAP].flags : &avail->idx;
  }

  // Split ring: number of available entries; breaks the queue if the peer claims more than the ring holds.
  uint32_t Available() {
    uint16_t ready = static_cast<uint16_t>(LoadAcquire(&avail->idx) - last_avail_idx);
    if (__builtin_expect(ready > size(), 0)) {
      Break();
      return 0;
    }
    return ready;
  }

  // Split ring: head of the available entry `index` (free-running), or -1 if it names no descriptor.
  int32_t Head(uint16_t index) const {
    uint16_t head = LoadOnce(&avail->ring[index & mask]);
    return __builtin_expect(head <= mask, 1) ? head : -1;
  }

  // Asks the peer to kick when it makes the next entry available. True if nothing is pending, or the queue is
  // not running: the caller may sleep. False if there is work already; kicks are then left off.
  bool Arm();
  void Disarm();

  // Call after publishing used entries: signals the peer if it wants that. `passed` is the number of slots
  // between the position published before and last_avail_idx.
  void NotifyPeer(uint32_t passed);
  // Signals the peer if it wants that.
  void Notify(bool wanted);

 private:
  StartError Vacate();
  void Open(int fd);
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
