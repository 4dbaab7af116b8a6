// SPDX-License-Identifier: BSD-3-Clause
// The copy of a relay, with the addresses that the packet leaves with.
#pragma once
#include <cstdint>
#include <cstring>

#include "burst/relay.h"
#include "packet/copy.h"
#include "packet/mbuf_pool.h"
#include "ring/counters.h"

namespace vpci {

// What is shorter than its addresses is not relayed.
static_assert(kMinPacketBytes >= sizeof(Addresses));

// Copies the packet to `data` and counts it at both ends: as it came, and as it leaves.
inline void RelayPacket(uint8_t* data, const uint8_t* from, uint32_t len, const Addresses* addresses,
                        FrameTally& received, FrameTally& sent) {
  CopyPacket(data, from, len);
  uint64_t first8 = First8(data, len);
  received.Count(first8, len);
  if (addresses != nullptr) {
    std::memcpy(data, addresses->words, sizeof addresses->words);
    first8 = First8(data, len);
  }
  sent.Count(first8, len);
}

}  // namespace vpci
