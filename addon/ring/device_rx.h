// SPDX-License-Identifier: BSD-3-Clause
// RX engine: takes packets out of the peer's TX ring into mbufs, one copy.
#pragma once
#include "ring/device_queue.h"
#include "ring/mbuf_pool.h"

namespace vpci {

// Up to `n` packets into ids[0..); returns how many. Never touches the ring when the queue is not running.
uint32_t RxBurst(DeviceQueue& q, MbufPool& pool, uint32_t* ids, uint32_t n);

// Returns up to `n` available descriptors untouched with used length `length`: the cost of the ring alone
// (benchmarks).
uint32_t ReturnBurst(DeviceQueue& q, uint32_t n, uint32_t length);

}  // namespace vpci
