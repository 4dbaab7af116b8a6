// SPDX-License-Identifier: BSD-3-Clause
// From one peer's TX ring straight into another peer's RX ring, in one copy, where mbufs would take two.
#pragma once
#include "ring/device_queue.h"

namespace vpci {

// Moves up to `n` packets and returns how many; -1 when none was moved because the next packet, or the next
// buffer, is not of the usual shape: a burst into mbufs and another out of them take it. Without room at the
// receiver packets stay where they are, and a full burst does so for up to 31 calls while the receiver has
// few buffers laid out; with no receiver, or one that broke its ring, -1 as well, so that the sender is not
// stopped by somebody else's ring.
int32_t RelayBurst(DeviceQueue& rx, DeviceQueue& tx, uint32_t n);

}  // namespace vpci
