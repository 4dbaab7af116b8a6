// SPDX-License-Identifier: BSD-3-Clause
#include "ring/chain.h"

namespace vpci {

WalkResult ChainWalker::Next(Segment* out) {
  for (;;) {
    if (!more_) return WalkResult::kEnd;
    if (at_ >= table_size_ || ttl_ == 0) return WalkResult::kBad;
    ttl_--;
    VringDesc d = LoadDesc(&table_[at_]);
    if (d.flags & VRING_DESC_F_INDIRECT) {
      if (!EnterIndirect(d)) return WalkResult::kBad;
      continue;
    }
    uint8_t* base = memory_.Translate(d.addr, d.len);
    // A buffer without bytes moves nothing and would let a chain cost time for free.
    if (!base || d.len == 0) return WalkResult::kBad;
    more_ = d.flags & VRING_DESC_F_NEXT;
    at_ = d.next;
    *out = {base, d.len, (d.flags & VRING_DESC_F_WRITE) != 0};
    return WalkResult::kSegment;
  }
}

// VIRTIO 1.2, 2.7.5.3: no table within a table, no NEXT beside INDIRECT; the WRITE flag of the entry means
// nothing.
bool ChainWalker::EnterIndirect(const VringDesc& d) {
  if (indirect_ || (d.flags & VRING_DESC_F_NEXT) || d.len == 0 || d.len % sizeof(VringDesc) != 0)
    return false;
  uint32_t entries = d.len / sizeof(VringDesc);
  if (entries > kVringMaxSize) return false;
  uint8_t* table = memory_.Translate(d.addr, d.len);
  if (!table || reinterpret_cast<uintptr_t>(table) % alignof(VringDesc) != 0) return false;
  table_ = reinterpret_cast<const VringDesc*>(table);
  table_size_ = entries;
  // A legal chain is never longer than the queue (VIRTIO 1.2, 2.7.5.3.1).
  ttl_ = ttl_ < entries ? ttl_ : entries;
  at_ = 0;
  indirect_ = true;
  return true;
}

}  // namespace vpci
