// SPDX-License-Identifier: BSD-3-Clause
// Messages over a split ring in the device role, for the device model's control queue: the caller gets the
// descriptors of a chain and returns its head when it has an answer, in any order.
//
// Addresses are not translated: a machine's memory need not fit into this process, so the caller does that.
// The queue offers no indirect tables.
#pragma once
#include <cstdint>
#include <vector>

#include "ring/layout.h"

namespace vpci {

struct DeviceQueue;

// kBroken: the driver broke a rule of the ring, now or earlier. kNone also for a queue that does not run, and
// for a packed ring, which no message queue is.
enum class MessageTaken { kChain, kNone, kBroken };

struct MessageChain {
  uint16_t head = 0;
  std::vector<VringDesc> descriptors;
};

// The next available chain. Each descriptor is read once, and a chain has at most as many as the ring.
MessageTaken TakeMessage(DeviceQueue& q, MessageChain* chain);

// Returns the chain of `head` with `written` bytes in it. True when the driver wants to be interrupted; false
// also when the queue does not run: then nothing is returned.
bool ReturnMessage(DeviceQueue& q, uint16_t head, uint32_t written);

}  // namespace vpci
