// SPDX-License-Identifier: BSD-3-Clause
// Sends one packet many times, for generators: directly into the peer's receive buffers, with no mbuf but the
// one that is sent.
//
// A buffer that comes back from the peer already holds the packet, unless the peer changed it. Bytes that
// match are not written, so their lines stay in the caches of both cores.
#pragma once
#include "packet/mbuf_pool.h"
#include "ring/device_queue.h"

namespace vpci {

// Sends up to `n` packets of `length` bytes that start with the bytes of `mbuf`, which has one segment of at
// most `length`; the rest of each packet is whatever the buffer held. Returns how many, fewer if the peer has
// no more buffers; -1 if a burst is needed: the next buffer is too small or has another shape, or `mbuf` is
// not such a packet.
int32_t Repeat(DeviceQueue& q, MbufPool& pool, uint32_t mbuf, uint32_t length, uint32_t n);

}  // namespace vpci
