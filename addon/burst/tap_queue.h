// SPDX-License-Identifier: BSD-3-Clause
// A queue of a tap interface: frames between its descriptor and mbufs, one system call a frame, with the
// virtio-net header that the kernel puts before each (TUNSETVNETHDRSZ of 12 bytes).
//
// One thread polls a queue. Any other may call Stop, after which nobody touches the descriptor: the same gate
// as DeviceQueue has.
#pragma once
#include <sched.h>

#include <atomic>
#include <cstdint>

#include "packet/mbuf_pool.h"
#include "ring/counters.h"
#include "ring/device_queue.h"

namespace vpci {

struct alignas(64) TapQueue {
  std::atomic<uint32_t> busy{0};
  std::atomic<bool> open{false};
  QueueRole role = QueueRole::kRx;
  int fd = -1;
  // What the kernel takes of packets, as GUEST features (VIRTIO 1.2, 5.1.3).
  uint64_t features = 0;
  // The last burst found nothing.
  bool idle = false;
  QueueCounters counters;

  // `cuts_udp`: the kernel takes datagrams that are still to be cut; everything else it takes always.
  void Start(int descriptor, bool cuts_udp = true) {
    fd = descriptor;
    constexpr uint64_t kUso = uint64_t{1} << VIRTIO_NET_F_GUEST_USO4 | uint64_t{1} << VIRTIO_NET_F_GUEST_USO6;
    features = cuts_udp ? ~uint64_t{0} : ~kUso;
    open.store(true, std::memory_order_release);
  }
  void Stop() {
    open.store(false, std::memory_order_seq_cst);
    while (busy.load(std::memory_order_seq_cst)) sched_yield();
  }
  bool Enter() {
    busy.store(1, std::memory_order_seq_cst);
    if (__builtin_expect(open.load(std::memory_order_seq_cst), 1)) return true;
    Leave();
    return false;
  }
  void Leave() { busy.store(0, std::memory_order_release); }
};

// Frames that the kernel sends, up to `n`, into `ids`; returns how many.
uint32_t TapRxBurst(TapQueue& q, MbufPool& pool, uint32_t* ids, uint32_t n);

// Gives packets to the kernel in order; frees those that it took or will never take, and returns how many.
uint32_t TapTxBurst(TapQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n);

}  // namespace vpci
