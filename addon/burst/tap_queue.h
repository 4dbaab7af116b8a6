// SPDX-License-Identifier: BSD-3-Clause
// A queue of a tap interface: moves frames between its descriptor and mbufs, one system call per frame, with
// the virtio-net header that the kernel puts before each (TUNSETVNETHDRSZ of 12 bytes).
//
// One thread polls a queue. Any other may call Stop, after which no burst touches the descriptor.
#pragma once
#include <sched.h>

#include <cstdint>

#include "packet/mbuf_pool.h"
#include "ring/counters.h"
#include "ring/gate.h"
#include "ring/layout.h"

namespace vpci {

struct alignas(64) TapQueue : Gate {
  QueueRole role = QueueRole::kRx;
  int fd = -1;
  // What the kernel accepts, as GUEST features (VIRTIO 1.2, 5.1.3).
  uint64_t features = 0;
  // The last burst found nothing.
  bool idle = false;
  QueueCounters counters;

  // `cuts_udp`: the kernel accepts UDP packets that still need segmentation; it accepts everything else in
  // any case.
  void Start(int descriptor, bool cuts_udp = true) {
    fd = descriptor;
    constexpr uint64_t kUso = uint64_t{1} << VIRTIO_NET_F_GUEST_USO4 | uint64_t{1} << VIRTIO_NET_F_GUEST_USO6;
    features = cuts_udp ? ~uint64_t{0} : ~kUso;
    state.store(QueueState::kRunning, std::memory_order_release);
  }
  void Stop() {
    Close();
    while (Inside()) sched_yield();
  }
};

// Up to `n` frames from the kernel into `ids`; returns how many.
uint32_t TapRxBurst(TapQueue& q, MbufPool& pool, uint32_t* ids, uint32_t n);

// Gives packets to the kernel in order; frees those that it took or will never take, and returns how many.
uint32_t TapTxBurst(TapQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n);

}  // namespace vpci
