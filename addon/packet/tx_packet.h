// SPDX-License-Identifier: BSD-3-Clause
// A packet that the application hands to the peer: validates its mbufs and reads its bytes piece by piece.
// What an application writes into a pool's arrays is checked like all other outside input.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "packet/copy.h"
#include "packet/mbuf_pool.h"

namespace vpci {

// True if the mbuf describes bytes inside its own buffer.
inline bool SegmentIsSane(MbufPool& pool, uint32_t id) {
  return id < pool.count() && uint32_t{pool.data_off()[id]} + pool.data_len()[id] <= pool.stride();
}

// Total length of a packet's segments; 0 if the mbuf chain is invalid.
inline uint32_t PacketBytes(MbufPool& pool, uint32_t id) {
  uint64_t total = 0;
  for (uint32_t ttl = pool.count(); id != kNoNext; id = pool.next()[id], ttl--) {
    if (ttl == 0 || !SegmentIsSane(pool, id)) return 0;
    total += pool.data_len()[id];
  }
  return total <= kMaxPacketBytes ? static_cast<uint32_t>(total) : 0;
}

// Reads a valid packet from its segments.
class Scatter {
 public:
  Scatter(MbufPool& pool, uint32_t id) : pool_(pool), id_(id) {}

  void CopyTo(uint8_t* dst, uint32_t len) {
    while (len > 0) {
      uint32_t have = pool_.data_len()[id_] - used_;
      if (have == 0) {
        id_ = pool_.next()[id_];
        used_ = 0;
        continue;
      }
      uint32_t part = std::min(have, len);
      CopyPacket(dst, pool_.buffer(id_) + pool_.data_off()[id_] + used_, part);
      used_ += part;
      dst += part;
      len -= part;
    }
  }

  // Visits the next `len` bytes piece by piece: `piece(bytes, n)`.
  template <class Piece>
  void Each(uint32_t len, Piece piece) {
    while (len > 0) {
      const uint32_t have = pool_.data_len()[id_] - used_;
      if (have == 0) {
        id_ = pool_.next()[id_];
        used_ = 0;
        continue;
      }
      const uint32_t part = std::min(have, len);
      piece(pool_.buffer(id_) + pool_.data_off()[id_] + used_, part);
      used_ += part;
      len -= part;
    }
  }

 private:
  MbufPool& pool_;
  uint32_t id_;
  uint32_t used_ = 0;
};

}  // namespace vpci
