// SPDX-License-Identifier: BSD-3-Clause
// One packet sent many times, for generators: straight into the peer's receive buffers, no mbuf but the one
// that is sent.
//
// A buffer of the peer's that comes round again holds the packet already, unless its owner changed it. Bytes
// that are there are not written: then their lines stay in the caches of both cores.
#pragma once
#include "packet/mbuf_pool.h"
#include "ring/device_queue.h"

namespace vpci {

// Sends up to `n` packets of `length` bytes that start with the bytes of `mbuf`, which has one segment and at
// most so many; what is behind them is what the buffer held. Returns how many, fewer when no more buffers are
// there; -1 when a burst is needed: the next buffer is too small or has another shape, or `mbuf` is no such
// packet.
int32_t Repeat(DeviceQueue& q, MbufPool& pool, uint32_t mbuf, uint32_t length, uint32_t n);

}  // namespace vpci
