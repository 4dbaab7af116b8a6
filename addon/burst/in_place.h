// SPDX-License-Identifier: BSD-3-Clause
// Work in the peer's own buffers, without a copy of ours: the application writes packets where the peer
// receives them (the 0-copy transmit of the RFC), or reads them where the peer has sent them.
//
// The queue's gate stays entered from taking entries to giving them back, so that nobody unmaps the memory
// under the application; meanwhile bursts on the queue do nothing, and a thread that stops the queue waits.
// Only entries of one buffer are handed out, so 0 does not mean that the ring is empty; a burst takes any
// shape.
#pragma once
#include "ring/device_queue.h"

namespace vpci {

inline constexpr int kWindowBits = 31;

// Takes up to `n` of the peer's receive buffers into q.burst.slots, in ring order; returns how many.
uint32_t Reserve(DeviceQueue& q, uint32_t n);
// Sends the first `n` of the reserved buffers with the lengths in q.burst.slots and releases the rest. Stops
// at a length that is 0 or exceeds the room. Returns how many were sent.
uint32_t Commit(DeviceQueue& q, uint32_t n);
// Shows up to `n` packets that the peer has sent, as long as their headers request no offload; returns how
// many. The peer may change them at any moment.
uint32_t Peek(DeviceQueue& q, uint32_t n);
// Returns the first `n` of the packets shown to the peer; the rest stay for the next Peek or burst.
uint32_t Release(DeviceQueue& q, uint32_t n);

}  // namespace vpci
