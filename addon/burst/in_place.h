// SPDX-License-Identifier: BSD-3-Clause
// Work in the peer's own buffers, without a copy of ours: the application writes packets where the peer
// receives them (the 0-copy transmit of the RFC), or reads them where the peer has sent them.
//
// From taking entries to giving them back the queue's gate stays entered, so that nobody unmaps the memory
// under the application; bursts on the queue do nothing meanwhile, and whoever stops the queue waits. Only
// entries of one buffer are handed out: 0 does not say that the ring is empty, and a burst takes any shape.
#pragma once
#include "ring/device_queue.h"

namespace vpci {

inline constexpr int kWindowBits = 31;

// Takes up to `n` receive buffers of the peer into q.burst.slots, in ring order; returns how many.
uint32_t Reserve(DeviceQueue& q, uint32_t n);
// Sends the first `n` of the reserved buffers with the lengths in q.burst.slots and lets go of the rest.
// Stops before a length that is 0 or more than the room. Returns how many were sent.
uint32_t Commit(DeviceQueue& q, uint32_t n);
// Shows up to `n` packets that the peer has sent, those whose headers ask for nothing; returns how many. The
// peer may change them at any moment.
uint32_t Peek(DeviceQueue& q, uint32_t n);
// Gives the first `n` of the packets shown back to the peer; the rest stay for the next Peek or burst.
uint32_t Release(DeviceQueue& q, uint32_t n);

}  // namespace vpci
