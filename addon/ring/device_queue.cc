// SPDX-License-Identifier: BSD-3-Clause
#include "ring/device_queue.h"

#include <sched.h>
#include <time.h>

#include "ring/signal.h"
#include "ring/variant.h"

namespace vpci {
namespace {

// A region may start anywhere in this process, so guest alignment does not imply host alignment.
bool Misaligned(const void* p, uintptr_t alignment) {
  return (reinterpret_cast<uintptr_t>(p) & (alignment - 1)) != 0;
}

uint64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace

StartError DeviceQueue::Start(const RingSetup& s) {
  if (const StartError error = Vacate(); error != StartError::kNone) return error;
  if (s.size == 0 || s.size > kVringMaxSize) return StartError::kBadSize;
  const bool wants_packed = HasFeature(s.features, VIRTIO_F_RING_PACKED);
  region_size = 0;
  burst.Start();
  StartError error = wants_packed ? LayPacked(s) : LaySplit(s);
  if (error != StartError::kNone) return error;
  memory = s.memory;
  ring_size = s.size;
  last_avail_idx = message_used_idx = s.last_avail_idx;
  hdr_bytes = static_cast<uint16_t>(NetHdrBytes(s.features));
  mergeable = HasFeature(s.features, VIRTIO_NET_F_MRG_RXBUF);
  variant = VariantOf(s.features);
  sender = nullptr;
  gate = s.gate ? s.gate : &own_gate;
  // Without a second gate, every burst is admitted.
  serial = s.gate ? s.serial : 0;
  PlacePosition(s);
  features = s.features;
  if (gate->Enter(serial)) AskForKicks(s.want_kicks);
  gate->Leave();
  Open(s.notify_fd);
  return StartError::kNone;
}

// No burst uses the queue afterwards.
StartError DeviceQueue::Vacate() {
  if (state.load(std::memory_order_seq_cst) == QueueState::kRunning) return StartError::kRunning;
  return Quiesce() == kStuck ? StartError::kStuck : StartError::kNone;
}

void DeviceQueue::Open(int fd) {
  memory->users.fetch_add(1);
  mask = static_cast<uint16_t>(ring_size - 1);
  notify_fd = fd;
  state.store(QueueState::kRunning, std::memory_order_seq_cst);
}

StartError DeviceQueue::LaySplit(const RingSetup& s) {
  if ((s.size & (s.size - 1)) != 0) return StartError::kBadSize;
  if ((s.desc & 15) || (s.avail & 1) || (s.used & 3)) return StartError::kMisaligned;
  // The event word behind each ring belongs to it whether or not EVENT_IDX was negotiated (VIRTIO 1.2, 2.7).
  uint8_t* d = s.memory->Translate(s.desc, uint64_t{16} * s.size);
  uint8_t* a = s.memory->Translate(s.avail, uint64_t{2} * s.size + 6);
  uint8_t* u = s.memory->Translate(s.used, uint64_t{8} * s.size + 6);
  if (!d || !a || !u) return StartError::kOutsideMemory;
  if (Misaligned(d, 16) || Misaligned(a, 2) || Misaligned(u, 4)) return StartError::kMisaligned;
  desc = reinterpret_cast<const VringDesc*>(d);
  avail = reinterpret_cast<const VringAvail*>(a);
  used = reinterpret_cast<VringUsed*>(u);
  packed = nullptr;
  return StartError::kNone;
}

// VIRTIO 1.2, 2.8.10: 16-byte alignment for the ring, 4-byte alignment for the event structures; any size.
StartError DeviceQueue::LayPacked(const RingSetup& s) {
  if ((s.last_avail_idx & ~VRING_PACKED_WRAP) >= s.size) return StartError::kBadIndex;
  if ((s.desc & 15) || (s.avail & 3) || (s.used & 3)) return StartError::kMisaligned;
  uint8_t* d = s.memory->Translate(s.desc, uint64_t{16} * s.size);
  uint8_t* a = s.memory->Translate(s.avail, sizeof(VringPackedDescEvent));
  uint8_t* u = s.memory->Translate(s.used, sizeof(VringPackedDescEvent));
  if (!d || !a || !u) return StartError::kOutsideMemory;
  if (Misaligned(d, 16) || Misaligned(a, 4) || Misaligned(u, 4)) return StartError::kMisaligned;
  packed = reinterpret_cast<VringPackedDesc*>(d);
  driver_event = reinterpret_cast<const VringPackedDescEvent*>(a);
  device_event = reinterpret_cast<VringPackedDescEvent*>(u);
  return StartError::kNone;
}

// Words that already describe this ring are left alone: they must stay valid at every moment. For a split
// ring it is enough to record that a process has started on it.
void DeviceQueue::PlacePosition(const RingSetup& s) {
  position = s.position ? s.position : &unread_position;
  const uint32_t places = PositionWords::Places(last_avail_idx, last_avail_idx);
  if (!packed) {
    if (s.gate) StoreRelease(&position->serial, s.serial);
    return;
  }
  if (position->serial == s.serial && position->places == places) return;
  StoreOnce(&position->serial, uint16_t{0});
  StoreRelease(&position->places, places);
  StoreRelease(&position->serial, s.serial);
}

int32_t DeviceQueue::Quiesce(uint32_t patience_ms) {
  Close();
  given_up = !WaitUntilIdle(given_up ? 0 : patience_ms);
  if (given_up) {
    // The owner may close it, and the number would then name another descriptor.
    StoreOnce(&notify_fd, -1);
    return kStuck;
  }
  if (memory) {
    memory->users.fetch_sub(1);
    memory = nullptr;
  }
  gate = &own_gate;
  serial = 0;
  return last_avail_idx;
}

// Yields to a burst that the scheduler has preempted: it may be waiting for this thread's CPU.
bool DeviceQueue::WaitUntilIdle(uint32_t patience_ms) {
  if (!Inside()) return true;
  for (const uint64_t end = NowMs() + patience_ms; NowMs() < end;) {
    sched_yield();
    if (!Inside()) return true;
  }
  return false;
}

uint8_t* DeviceQueue::TranslateElsewhere(uint64_t gpa, uint64_t len) {
  const MemoryRegion* r = memory->Find(gpa);
  if (!r || len > r->size - (gpa - r->gpa)) return nullptr;
  region_gpa = r->gpa;
  region_size = r->size;
  region_base = r->base;
  region_mapping = r->mapping;
  region_mapping_offset = r->mapping_offset;
  return r->base + (gpa - r->gpa);
}

// Split: VIRTIO 1.2, 2.7.10; with EVENT_IDX the flags stay 0 (2.7.10.1), and an event index that has just
// been passed comes up again only after 2^16 entries. Packed: 2.8.14.
void DeviceQueue::AskForKicks(bool want) {
  if (sender) {
    sender->AskForReturns(want);
  } else if (packed) {
    if (event_idx()) StoreOnce(&device_event->off_wrap, last_avail_idx);
    const uint16_t kick = event_idx() ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE;
    StoreRelease(&device_event->flags, want ? kick : VRING_PACKED_EVENT_FLAG_DISABLE);
  } else if (event_idx()) {
    StoreOnce(&used->flags, uint16_t{0});
    StoreOnce(reinterpret_cast<uint16_t*>(&used->ring[ring_size]),
              static_cast<uint16_t>(last_avail_idx - (want ? 0 : 1)));
  } else {
    StoreOnce(&used->flags, want ? uint16_t{0} : VRING_USED_F_NO_NOTIFY);
  }
}

bool DeviceQueue::HasWork() {
  if (sender) return sender->HasRoom() || sender->Returned();
  if (announce.load(std::memory_order_relaxed) != 0) return true;
  if (!packed) return Available() > 0;
  const VringPackedDesc d = LoadPackedDesc(&packed[last_avail_idx & ~VRING_PACKED_WRAP]);
  return PackedAvailable(d.flags, (last_avail_idx & VRING_PACKED_WRAP) != 0);
}

bool DeviceQueue::Arm() {
  if (!Enter()) return true;
  AskForKicks(true);
  // Our request must be visible before we check the ring: the peer publishes first and then checks the
  // request, so one side sees the other (VIRTIO 1.2, 2.7.13.3.1).
  FullFence();
  const bool work = HasWork();
  if (work) AskForKicks(false);
  Leave();
  return !work;
}

void DeviceQueue::Disarm() {
  if (!Enter()) return;
  AskForKicks(false);
  Leave();
}

// Split: VIRTIO 1.2, 2.7.7; packed: 2.8.14.
bool DeviceQueue::PeerWantsCall(uint32_t passed) const {
  const uint16_t now = last_avail_idx;
  if (!packed) {
    if (!event_idx()) return (LoadOnce(&avail->flags) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
    return NeedEvent(LoadOnce(&avail->ring[ring_size]), now, static_cast<uint16_t>(now - passed));
  }
  const uint32_t word = LoadOnce(reinterpret_cast<const uint32_t*>(driver_event));
  return PackedNeedsEvent(word, now & static_cast<uint16_t>(~VRING_PACKED_WRAP),
                          (now & VRING_PACKED_WRAP) != 0, passed, ring_size);
}

void DeviceQueue::NotifyPeer(uint32_t passed) {
  // Orders our store of the index before our load of the peer's suppression word (VIRTIO 1.2, 2.7.13.4.1).
  FullFence();
  Notify(PeerWantsCall(passed));
}

void DeviceQueue::Notify(bool wanted) {
  if (!wanted) {
    counters.guest_notifications_suppressed++;
    return;
  }
  const int fd = LoadOnce(&notify_fd);
  if (fd < 0) return;
  // The device model holds this eventfd too; nothing it does may block a burst.
  if (SignalEventfd(fd)) counters.guest_notifications++;
}

}  // namespace vpci
