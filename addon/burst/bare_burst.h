// SPDX-License-Identifier: BSD-3-Clause
// For benchmarks: bursts that do less than any driver can, to find the upper limit of a peer and of this
// machine.
#pragma once
#include "ring/device_queue.h"

namespace vpci {

// Returns up to `n` available descriptors untouched, with used length `length` (0 for those of the peer's TX
// ring): the cost of the ring alone.
uint32_t ReturnBurst(DeviceQueue& q, uint32_t n, uint32_t length);

// The same, but the bytes move too: a buffer of the peer's TX ring is read, and a buffer of its RX ring is
// filled with a header and zeros, `length` bytes in all. No mbufs, no metadata, no per-frame counters, one
// descriptor per buffer; a buffer that does not fit is returned untouched.
uint32_t TouchBurst(DeviceQueue& q, uint32_t n, uint32_t length);

// Both at once: returns up to `n` descriptors of the peer's TX ring and as many of its RX ring, these with
// used length `length`, all untouched. `rx` and `tx` are named as the back-end sees them.
uint32_t ReturnAcross(DeviceQueue& rx, DeviceQueue& tx, uint32_t n, uint32_t length);

// The same, but each frame moves, in one copy from buffer to buffer: read once and written once, as a
// back-end that copies through mbufs must do as well. Frames keep their length, except that one of another
// shape than a single buffer with room for `length` bytes is returned untouched.
uint32_t TouchAcross(DeviceQueue& rx, DeviceQueue& tx, uint32_t n, uint32_t length);

}  // namespace vpci
