// SPDX-License-Identifier: BSD-3-Clause
// Messages over a split ring in the device role, for the device model's control queue: the caller gets the
// descriptors of a chain and returns its head once it has an answer, in any order.
//
// Addresses are left untranslated: a machine's memory may not fit into this process, so the caller maps what
// it needs. The queue does not offer indirect tables.
#pragma once
#include <cstdint>
#include <vector>

#include "ring/layout.h"

namespace vpci {

struct DeviceQueue;

// kBroken: the driver broke a rule of the ring, now or earlier. kNone also if the queue is not running, or
// has a packed ring, which message queues do not support.
enum class MessageTaken { kChain, kNone, kBroken };

struct MessageChain {
  uint16_t head = 0;
  std::vector<VringDesc> descriptors;
};

// The next available chain. Each descriptor is read once, and a chain has at most as many as the ring.
MessageTaken TakeMessage(DeviceQueue& q, MessageChain* chain);

// Returns the chain of `head` with `written` bytes in it. True if the driver wants an interrupt. False also
// if the queue is not running: nothing is returned then.
bool ReturnMessage(DeviceQueue& q, uint16_t head, uint32_t written);

}  // namespace vpci
