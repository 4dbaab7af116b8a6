// SPDX-License-Identifier: BSD-3-Clause
// From one peer's TX ring directly into another peer's RX ring, in one copy, where mbufs would take two.
#pragma once
#include "ring/device_queue.h"

namespace vpci {

// The destination and source addresses that packets leave with, as the first 12 bytes of a frame.
struct Addresses {
  uint32_t words[3];
};

// Moves up to `n` packets and returns how many, or -1 if none was moved because the next packet or the next
// buffer is not of the usual shape: a burst into mbufs and another out of them handle it. If the receiver has
// no room, packets stay where they are, and a full burst waits so for up to 31 calls while the receiver has
// few buffers posted. Also -1 if there is no receiver, or it broke its ring, so that the sender is not
// stopped by someone else's ring. With `addresses`, each packet gets them where it arrives.
int32_t RelayBurst(DeviceQueue& rx, DeviceQueue& tx, uint32_t n, const Addresses* addresses = nullptr);

}  // namespace vpci
