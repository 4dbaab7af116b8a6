// SPDX-License-Identifier: BSD-3-Clause
// RX engine: takes packets from the peer's TX ring into mbufs, one copy.
#pragma once
#include "packet/mbuf_pool.h"
#include "ring/device_queue.h"

namespace vpci {

// Up to `n` packets into ids[0..); returns how many. Never touches the ring if the queue is not running.
uint32_t RxBurst(DeviceQueue& q, MbufPool& pool, uint32_t* ids, uint32_t n);

}  // namespace vpci
