// SPDX-License-Identifier: BSD-3-Clause
#include "ring/device_queue.h"

#include <sched.h>
#include <unistd.h>

namespace vpci {

StartError DeviceQueue::Start(const RingSetup& s) {
  if (state.load(std::memory_order_seq_cst) == QueueState::kRunning) return StartError::kRunning;
  Quiesce();
  if (s.size == 0 || s.size > kVringMaxSize || (s.size & (s.size - 1)) != 0) return StartError::kBadSize;
  if ((s.desc & 15) || (s.avail & 1) || (s.used & 3)) return StartError::kMisaligned;
  // The event words behind each ring belong to it whether or not EVENT_IDX was negotiated (VIRTIO 1.2, 2.7).
  uint8_t* d = s.memory->Translate(s.desc, uint64_t{16} * s.size);
  uint8_t* a = s.memory->Translate(s.avail, uint64_t{2} * s.size + 6);
  uint8_t* u = s.memory->Translate(s.used, uint64_t{8} * s.size + 6);
  if (!d || !a || !u) return StartError::kOutsideMemory;
  // A region may start anywhere in this process, so guest alignment does not give host alignment.
  if ((reinterpret_cast<uintptr_t>(d) & 15) || (reinterpret_cast<uintptr_t>(a) & 1) ||
      (reinterpret_cast<uintptr_t>(u) & 3))
    return StartError::kMisaligned;
  desc = reinterpret_cast<const VringDesc*>(d);
  avail = reinterpret_cast<const VringAvail*>(a);
  used = reinterpret_cast<VringUsed*>(u);
  memory = s.memory;
  memory->users.fetch_add(1);
  mask = static_cast<uint16_t>(s.size - 1);
  last_avail_idx = message_used_idx = s.last_avail_idx;
  hdr_bytes = static_cast<uint16_t>(NetHdrBytes(s.features));
  mergeable = HasFeature(s.features, VIRTIO_NET_F_MRG_RXBUF);
  notify_fd = s.notify_fd;
  AskForKicks(s.want_kicks);
  state.store(QueueState::kRunning, std::memory_order_seq_cst);
  return StartError::kNone;
}

uint16_t DeviceQueue::Quiesce() {
  state.store(QueueState::kStopped, std::memory_order_seq_cst);
  while (busy.load(std::memory_order_seq_cst) != 0) sched_yield();
  if (memory) {
    memory->users.fetch_sub(1);
    memory = nullptr;
  }
  return last_avail_idx;
}

void DeviceQueue::Publish(uint32_t n) {
  last_avail_idx = static_cast<uint16_t>(last_avail_idx + n);
  StoreRelease(&used->idx, last_avail_idx);
  FullFence();
  if (LoadOnce(&avail->flags) & VRING_AVAIL_F_NO_INTERRUPT) {
    counters.guest_notifications_suppressed++;
    return;
  }
  if (notify_fd < 0) return;
  uint64_t one = 1;
  // An eventfd, which the bus has checked: its counter is full only after 2^64 signals that nobody took.
  if (write(notify_fd, &one, sizeof one) == sizeof one) counters.guest_notifications++;
}

}  // namespace vpci
