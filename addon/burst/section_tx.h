// SPDX-License-Identifier: BSD-3-Clause
// Bursts on the sender's end of a section, for device_tx, repeat and relay; the caller is inside the gates of
// the queue, which has a `sender`.
#pragma once
#include "burst/burst.h"
#include "burst/relay.h"
#include "packet/mbuf_pool.h"

namespace vpci {

// Sends ids[0..n) in order. A packet larger than the section's largest frame is segmented if it may be, and
// dropped otherwise.
TxProgress SectionSend(DeviceQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n);

// Sends `n` frames of `length` bytes that begin with `head`; -1 if they are larger than the largest frame.
int32_t SectionRepeat(DeviceQueue& q, const uint8_t* head, uint32_t head_bytes, uint32_t length, uint32_t n);

// As RelayBurst. What is larger than the largest frame has an odd shape.
int32_t RelayToSection(DeviceQueue& rx, DeviceQueue& tx, uint32_t n, const Addresses* addresses);

}  // namespace vpci
