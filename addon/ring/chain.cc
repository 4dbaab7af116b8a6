// SPDX-License-Identifier: BSD-3-Clause
#include "ring/chain.h"

#include "ring/device_queue.h"

namespace vpci {

ChainWalker ChainWalker::Split(DeviceQueue& q, uint16_t head) {
  return ChainWalker(q, Table::kSplit, q.desc, q.size(), head);
}

ChainWalker ChainWalker::Section(DeviceQueue& q, uint16_t head) {
  return ChainWalker(q, Table::kSection, q.desc, q.size(), head);
}

ChainWalker ChainWalker::Packed(DeviceQueue& q, uint16_t at) {
  return ChainWalker(q, Table::kPackedRing, q.packed, q.size(), at);
}

// Fetches the descriptor at `at_` and advances to the next one.
ChainWalker::Descriptor ChainWalker::Load() {
  if (kind_ == Table::kSplit) {
    VringDesc d = LoadDesc(static_cast<const VringDesc*>(table_) + at_);
    more_ = d.flags & VRING_DESC_F_NEXT;
    at_ = d.next;
    return {d.addr, d.len, d.flags};
  }
  if (kind_ == Table::kSection) {
    const VringDesc d = LoadDesc(static_cast<const VringDesc*>(table_) + at_);
    more_ = false;
    return {d.addr, d.len, d.flags};
  }
  VringPackedDesc d = LoadPackedDesc(static_cast<const VringPackedDesc*>(table_) + at_);
  at_++;
  if (kind_ == Table::kPackedIndirect) {
    // The whole table is the list; of its flags only WRITE is meaningful (VIRTIO 1.2, 2.8.7). On a ring that
    // the device reads, WRITE is ignored too: DPDK's driver leaves it set on the header (virtio_init_vring).
    more_ = at_ < table_size_;
    const uint16_t write = q_->role == QueueRole::kTx ? VRING_DESC_F_WRITE : 0;
    return {d.addr, d.len, static_cast<uint16_t>(d.flags & write)};
  }
  if (at_ == table_size_) at_ = 0;
  more_ = d.flags & VRING_DESC_F_NEXT;
  // The id of a list is that of its last descriptor (VIRTIO 1.2, 2.8.6).
  id_ = d.id;
  slots_++;
  return {d.addr, d.len, d.flags};
}

WalkResult ChainWalker::Next(Segment* out) {
  for (;;) {
    if (!more_) return WalkResult::kEnd;
    if (at_ >= table_size_ || ttl_ == 0) return WalkResult::kBad;
    ttl_--;
    Descriptor d = Load();
    if (kind_ == Table::kSection && d.flags != 0) return WalkResult::kBad;
    if (d.flags & VRING_DESC_F_INDIRECT) {
      if (!EnterIndirect(d)) return WalkResult::kBad;
      continue;
    }
    uint8_t* base = q_->Translate(d.addr, d.len);
    if (!base) return WalkResult::kBad;
    // An empty buffer is legal. It costs a step of the bounded walk like any other.
    if (d.len == 0) continue;
    *out = {base, d.len, (d.flags & VRING_DESC_F_WRITE) != 0};
    return WalkResult::kSegment;
  }
}

// VIRTIO 1.2, 2.7.5.3 and 2.8.19: no table within a table, no NEXT together with INDIRECT; in a packed ring a
// list with a table has no other descriptor. The WRITE flag of the entry is ignored.
bool ChainWalker::EnterIndirect(const Descriptor& d) {
  if (indirect_ || (d.flags & VRING_DESC_F_NEXT) || d.len == 0 || d.len % sizeof(VringDesc) != 0)
    return false;
  if (kind_ == Table::kPackedRing && slots_ > 1) return false;
  uint32_t entries = d.len / sizeof(VringDesc);
  if (entries > kVringMaxSize) return false;
  uint8_t* table = q_->Translate(d.addr, d.len);
  if (!table || reinterpret_cast<uintptr_t>(table) % alignof(VringDesc) != 0) return false;
  table_ = table;
  table_size_ = entries;
  // A legal chain is never longer than the queue (VIRTIO 1.2, 2.7.5.3.1 and 2.8.19); the descriptor that
  // refers to the table does not count.
  ttl_ = ttl_ + 1 < entries ? ttl_ + 1 : entries;
  at_ = 0;
  if (kind_ == Table::kPackedRing) kind_ = Table::kPackedIndirect;
  more_ = true;
  indirect_ = true;
  return true;
}

}  // namespace vpci
