// SPDX-License-Identifier: BSD-3-Clause
// A virtqueue of the peer in the device role: state, ring pointers, and the gate that lets another thread
// stop it.
//
// One thread polls a queue. Any other thread may call Quiesce: it closes the gate and waits until a burst
// that is under way has left, after which nothing touches the peer's memory. A burst is bounded work, so the
// wait is short, unless the burst sleeps in the peer's memory: then the queue is given up (kStuck).
//
// Another process may hold a second gate, in memory that it shares with this one (GateWords): whoever hands
// out the ring takes it back there, with no help of this process but that its bursts look.
#pragma once
#include <atomic>
#include <cstdint>

#include "ring/counters.h"
#include "ring/hand_back.h"
#include "ring/layout.h"
#include "ring/memory_table.h"
#include "ring/shared_access.h"

namespace vpci {

enum class QueueRole : uint8_t { kRx, kTx };
// The values are the contract of QUEUE_STOPPED, QUEUE_RUNNING and QUEUE_BROKEN in src/native.ts.
enum class QueueState : uint32_t { kStopped = 0, kRunning = 1, kBroken = 2 };

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

// The second gate: who hands out a ring says which handing out may be worked on, and sees whether a burst is
// inside (docs/device-abi.md, "Gate words"). Each word has a cache line to itself, since they are polled.
struct GateWords {
  // Written by bursts.
  alignas(64) std::atomic<uint32_t> busy{0};
  // Written by who hands out the ring: the serial of the ring that bursts may touch, 0 for none.
  alignas(64) std::atomic<uint32_t> allowed{0};

  // In `allowed`: it has given up waiting for the burst, which is to leave without touching the ring.
  static constexpr uint32_t kRevoked = 0xffff'ffff;
};
static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);

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

// Packets that lie in the peer's memory for the application to read or write there, shared with JavaScript:
// where a packet starts (behind its network header) as an offset in a window of 2 GiB of a mapping, the bytes
// that it has or may have, and how long the application made it. Packets that are told of together lie in one
// window.
struct InPlaceSlots {
  static constexpr uint32_t kMax = 64;
  uint32_t offset[kMax];
  uint32_t room[kMax];
  uint32_t length[kMax];
  uint32_t mapping;
  uint32_t window;
};

// The same for the engine, which believes nothing that JavaScript can write.
struct HeldBuffer {
  uint8_t* header;
  uint32_t room;
  uint16_t id;
};

struct alignas(64) DeviceQueue {
  // Quiesce has given up.
  static constexpr int32_t kStuck = -1;
  static constexpr uint32_t kPatienceMs = 1000;

  // --- written by both threads
  std::atomic<uint32_t> busy{0};
  std::atomic<QueueState> state{QueueState::kStopped};
  // An address that the next receive burst is to announce (announce.h); 0 for none.
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
  // Which instance of the burst functions fits what was negotiated (device_rx.cc, device_tx.cc).
  uint8_t variant = 0;
  // Entries that the application works on in place (in_place.h): the gate stays entered meanwhile.
  uint8_t held = 0;
  // The last Repeat found its bytes in place already: then the next one will do so too, most likely.
  bool repeated = false;
  HandBack hand_back;
  // Relays from here that waited for more buffers since the last one that did not (relay.cc).
  uint8_t waited = 0;

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
  // Message queues (chainTake, chainReturn) return chains in any order and count the returned ones here.
  uint16_t message_used_idx = 0;
  QueueRole role = QueueRole::kRx;
  PositionWords* position = &unread_position;
  PositionWords unread_position{};
  std::atomic<bool> given_up{false};
  // Handle of the mapping that `position` and `gate` point into, 0 for none.
  uint32_t place_mapping = 0;
  GateWords own_gate;

  QueueCounters counters;
  InPlaceSlots slots;
  HeldBuffer held_buffer[InPlaceSlots::kMax];

  uint32_t size() const { return ring_size; }
  bool is_packed() const { return packed != nullptr; }
  bool event_idx() const { return HasFeature(features, VIRTIO_F_RING_EVENT_IDX); }

  StartError Start(const RingSetup& setup);
  // Returns where the next available entry is that was not taken, or kStuck when a burst does not leave in
  // time. The memory then has to stay until Stuck() is false; a queue that is stuck is not waited for again.
  int32_t Quiesce(uint32_t patience_ms = kPatienceMs);
  // A burst that Quiesce gave up on is inside still.
  bool Stuck() const { return given_up.load() && busy.load(std::memory_order_seq_cst) != 0; }

  // Gates of every burst, this process's own and then the second one, which may be looked at only inside the
  // first. Store and load are sequentially consistent against those of the other side: either the burst sees
  // the closed gate or who closes it sees the burst.
  bool Enter() {
    if (__builtin_expect(held != 0, 0)) return false;
    busy.store(1, std::memory_order_seq_cst);
    if (__builtin_expect(state.load(std::memory_order_seq_cst) == QueueState::kRunning, 1)) {
      if (__builtin_expect(EnterSecond(), 1)) return true;
      gate->busy.store(0, std::memory_order_release);
    }
    busy.store(0, std::memory_order_release);
    return false;
  }
  // To be asked inside: the ring, or this process, does not wait for the burst any more.
  bool Lost() const {
    return gate->allowed.load(std::memory_order_acquire) == GateWords::kRevoked || given_up.load();
  }
  void Leave() {
    gate->busy.store(0, std::memory_order_release);
    busy.store(0, std::memory_order_release);
  }

  // The peer broke a rule of the ring: nobody touches it again until the next Start.
  void Break() {
    counters.invalid_desc++;
    QueueState expected = QueueState::kRunning;
    state.compare_exchange_strong(expected, QueueState::kBroken, std::memory_order_seq_cst);
  }

  // MemoryTable::Translate, which tries the region of the time before first: buffers of one peer lie
  // together.
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
  bool EnterSecond() {
    gate->busy.store(1, std::memory_order_seq_cst);
    return gate->allowed.load(std::memory_order_seq_cst) == serial;
  }
  bool WaitUntilIdle(uint32_t patience_ms);
  void PlacePosition(const RingSetup& setup);
  bool HasWork();
  void AskForKicks(bool want);
  bool PeerWantsCall(uint32_t passed) const;
};

// True when an event index that the other side waits for lies among those passed since `before`
// (VIRTIO 1.2, 2.7.13.4.1).
inline bool NeedEvent(uint16_t event, uint16_t now, uint16_t before) {
  return static_cast<uint16_t>(now - event - 1) < static_cast<uint16_t>(now - before);
}

// The same for a packed ring, `word` being the other side's event suppression structure, and `passed` slots
// lying between the position before and the present one, `slot` and `wrap` (VIRTIO 1.2, 2.8.14).
inline bool PackedNeedsEvent(uint32_t word, uint16_t slot, bool wrap, uint32_t passed, uint32_t size) {
  const uint16_t off_wrap = static_cast<uint16_t>(word), flags = static_cast<uint16_t>(word >> 16);
  if (flags != VRING_PACKED_EVENT_FLAG_DESC) return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
  uint16_t event = off_wrap & static_cast<uint16_t>(~VRING_PACKED_WRAP);
  // Of the round before: counted as so many slots below the start of this one.
  if (((off_wrap & VRING_PACKED_WRAP) != 0) != wrap) event = static_cast<uint16_t>(event - size);
  return NeedEvent(event, slot, static_cast<uint16_t>(slot - passed));
}

// Whether the peer has made a slot of a packed ring available, of which `flags` is the descriptor's
// (VIRTIO 1.2, 2.8.1).
inline bool PackedAvailable(uint16_t flags, bool wrap) {
  constexpr uint16_t kBoth = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;
  return (flags & kBoth) == (wrap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED);
}

}  // namespace vpci
