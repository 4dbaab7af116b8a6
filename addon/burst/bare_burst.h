// SPDX-License-Identifier: BSD-3-Clause
// For benchmarks: bursts that do less than any driver can, so that it is known what a peer and this machine
// can do at the most.
#pragma once
#include "ring/device_queue.h"

namespace vpci {

// Returns up to `n` available descriptors untouched, with used length `length`: the cost of the ring alone.
uint32_t ReturnBurst(DeviceQueue& q, uint32_t n, uint32_t length);

// The same, but the bytes move too: what lies in a buffer of the peer's TX ring is read, and one of its RX
// ring is filled with a header and zeros, `length` bytes in all. No mbufs, no metadata, no counters, one
// descriptor a buffer; a buffer that does not fit is returned untouched.
uint32_t TouchBurst(DeviceQueue& q, uint32_t n, uint32_t length);

}  // namespace vpci
