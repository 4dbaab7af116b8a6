// SPDX-License-Identifier: BSD-3-Clause
// Device registers in a mapping, each access exactly one load or store of its width, and how fast a mapping
// reads.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vpci {

// Line size that ReadLatency steps by.
inline constexpr size_t kLineBytes = 64;

// Reads 1, 2 or 4 bytes at an address that is a multiple of `width`.
uint32_t MmioRead(const uint8_t* address, unsigned width);
// Writes 1, 2 or 4 bytes at an address that is a multiple of `width`.
void MmioWrite(uint8_t* address, unsigned width, uint32_t value);

// Words shared with another process, sequentially consistent.
uint32_t AtomicRead(const uint8_t* address);
void AtomicWrite(uint8_t* address, uint32_t value);

// Nanoseconds to read 8 bytes from each line of [start, start + length): the best of up to `rounds` passes,
// after a first one that fills the caches, if any. Stops early after about 50 ms. `start` and `length` are
// multiples of 64.
double ReadLatency(const uint8_t* start, size_t length, unsigned rounds);

// Whether two ranges currently hold the same bytes; both start at multiples of 8, and so is `length`.
bool SameBytes(const uint8_t* a, const uint8_t* b, size_t length);

}  // namespace vpci
