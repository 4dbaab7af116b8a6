// SPDX-License-Identifier: BSD-3-Clause
// TX engine: puts packets directly into the buffers of the peer's RX ring, one copy.
#pragma once
#include "packet/mbuf_pool.h"
#include "ring/device_queue.h"

namespace vpci {

// Sends ids[0..n) in order; frees those it took and returns how many. Packets that no buffer of the peer
// could ever hold are taken, dropped and counted as errors, so that they do not block those behind them. A
// packet that the peer does not accept unsegmented is segmented here; if only some of its segments find room,
// it is not taken, and keeps the rest.
uint32_t TxBurst(DeviceQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n);

}  // namespace vpci
