// SPDX-License-Identifier: BSD-3-Clause
// What VIRTIO 1.2 (2.7) says of a chain in a split ring, written for clearness and knowing nothing of the
// engine, which is compared with it.
#pragma once
#include <vector>

#include "guest.h"

namespace fuzz {

struct OracleSegment {
  uint64_t gpa;
  uint8_t* base;
  uint32_t len;
  bool writable;
};

struct OracleChain {
  bool legal = false;
  // A part of it lies in the used ring, which the device changes while it works: nothing can be foretold.
  bool unsteady = false;
  std::vector<OracleSegment> segments;
};

class SplitOracle {
 public:
  SplitOracle(GuestMemory& memory, const RingSetup& ring) : memory_(memory), ring_(ring) {}

  uint16_t avail_idx() const { return Load<uint16_t>(ring_.avail + 2); }
  uint32_t Head(uint16_t index) const {
    return Load<uint16_t>(ring_.avail + 4 + uint64_t{2} * (index % ring_.size));
  }
  VringUsedElem Used(uint16_t index) const {
    return Load<VringUsedElem>(ring_.used + 4 + uint64_t{8} * (index % ring_.size));
  }

  OracleChain Chain(uint16_t index) const {
    OracleChain chain;
    Walk(ring_.desc, ring_.size, Head(index), ring_.size, false, &chain);
    return chain;
  }

  // Whether [gpa, gpa + len) meets a part of the ring.
  bool MeetsUsed(uint64_t gpa, uint64_t len) const {
    return Meets(gpa, len, ring_.used, uint64_t{8} * ring_.size + 6);
  }
  bool MeetsRing(uint64_t gpa, uint64_t len) const {
    return MeetsUsed(gpa, len) || Meets(gpa, len, ring_.desc, uint64_t{16} * ring_.size) ||
           Meets(gpa, len, ring_.avail, uint64_t{2} * ring_.size + 6);
  }

 private:
  static bool Meets(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len) {
    return a < b + b_len && b < a + a_len;
  }

  template <typename T>
  T Load(uint64_t gpa) const {
    T value;
    std::memcpy(&value, memory_.Find(gpa, sizeof value), sizeof value);
    return value;
  }

  // 2.7.5.3: no NEXT beside INDIRECT, whole descriptors. The engine also wants the table aligned in this
  // process.
  void Indirect(const VringDesc& d, uint32_t ttl, OracleChain* chain) const {
    if ((d.flags & VRING_DESC_F_NEXT) || d.len == 0 || d.len % 16 || d.len / 16 > kVringMaxSize) return;
    uint8_t* table = memory_.Find(d.addr, d.len);
    if (!table || reinterpret_cast<uintptr_t>(table) % alignof(VringDesc)) return;
    chain->unsteady |= MeetsUsed(d.addr, d.len);
    Walk(d.addr, d.len / 16, 0, std::min(ttl, d.len / 16), true, chain);
  }

  void Walk(uint64_t table, uint32_t entries, uint32_t at, uint32_t ttl, bool indirect,
            OracleChain* chain) const {
    for (;;) {
      if (at >= entries || ttl-- == 0) return;
      VringDesc d = Load<VringDesc>(table + uint64_t{16} * at);
      if (d.flags & VRING_DESC_F_INDIRECT) {
        if (!indirect) Indirect(d, ttl, chain);
        return;
      }
      uint8_t* base = memory_.Find(d.addr, d.len);
      if (!base || d.len == 0) return;
      chain->unsteady |= MeetsUsed(d.addr, d.len);
      chain->segments.push_back({d.addr, base, d.len, (d.flags & VRING_DESC_F_WRITE) != 0});
      at = d.next;
      if (!(d.flags & VRING_DESC_F_NEXT)) break;
    }
    chain->legal = true;
  }

  GuestMemory& memory_;
  RingSetup ring_;
};

}  // namespace fuzz
