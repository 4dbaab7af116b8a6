// SPDX-License-Identifier: BSD-3-Clause
#include "ring/driver_ring.h"

#include <bit>

namespace vpci {
namespace {

bool Inside(const DriverQueueSetup& s, uint64_t offset, uint64_t bytes, uint64_t align) {
  return offset <= s.length && bytes <= s.length - offset && (offset % align) == 0;
}

// A line that already holds the value stays clean, so the other core keeps its copy.
template <typename T>
inline void StoreIfDifferent(T* p, T value) {
  if (LoadOnce(p) != value) StoreOnce(p, value);
}

}  // namespace

void DriverRingBase::InitBase(const DriverQueueSetup& s, QueueRole role) {
  size_ = s.size;
  buffer_size_ = s.buffer_size;
  buffers_gpa_ = s.gpa + s.buffers;
  writable_ = role == QueueRole::kRx;
  in_order_ = HasFeature(s.features, VIRTIO_F_IN_ORDER);
  event_idx_ = HasFeature(s.features, VIRTIO_F_RING_EVENT_IDX);
  in_flight_.assign(size_, 0);
  order_.assign(std::bit_ceil(size_), 0);
  order_mask_ = static_cast<uint32_t>(order_.size()) - 1;
}

bool SplitDriverRing::Fits(const DriverQueueSetup& s) {
  return s.size > 0 && s.size <= kVringMaxSize && std::has_single_bit(s.size) &&
         Inside(s, s.desc, uint64_t{16} * s.size, 16) && Inside(s, s.avail, uint64_t{2} * s.size + 6, 2) &&
         Inside(s, s.used, uint64_t{8} * s.size + 6, 4);
}

void SplitDriverRing::Init(const DriverQueueSetup& s, QueueRole role) {
  InitBase(s, role);
  desc_ = reinterpret_cast<VringDesc*>(s.base + s.desc);
  avail_ = reinterpret_cast<VringAvail*>(s.base + s.avail);
  used_ = reinterpret_cast<const VringUsed*>(s.base + s.used);
  mask_ = static_cast<uint16_t>(s.size - 1);
  avail_idx_ = used_idx_ = seen_idx_ = LoadOnce(&used_->idx);
  // We poll, so ask the back-end not to interrupt (VIRTIO 1.2, 2.7.7).
  StoreOnce(&avail_->flags, event_idx_ ? uint16_t{0} : VRING_AVAIL_F_NO_INTERRUPT);
  StoreOnce(&avail_->ring[size_], static_cast<uint16_t>(used_idx_ - 1));
  StoreOnce(&avail_->idx, avail_idx_);
  for (uint32_t id = 0; id < size_; id++)
    desc_[id] = {BufferAddress(id), writable_ ? buffer_size_ : 0,
                 writable_ ? VRING_DESC_F_WRITE : uint16_t{0}, 0};
}

Used SplitDriverRing::Peek(uint32_t ahead, UsedBuffer* out) {
  const uint16_t ready = Ready(ahead);
  if (ready > size_) return Used::kNonsense;
  if (ahead >= ready) return Used::kNone;
  const VringUsedElem* shared = &used_->ring[(used_idx_ + ahead) & mask_];
  *out = {LoadOnce(&shared->id), LoadOnce(&shared->len)};
  return InFlight(out->id) && out->len <= buffer_size_ ? Used::kBuffer : Used::kNonsense;
}

void SplitDriverRing::Post(uint32_t id, uint32_t len) {
  StoreIfDifferent(&desc_[id].len, len);
  StoreIfDifferent(&avail_->ring[avail_idx_++ & mask_], static_cast<uint16_t>(id));
  Sent(id);
}

void SplitDriverRing::Post(uint32_t id, uint64_t gpa, uint32_t len) {
  StoreIfDifferent(&desc_[id].addr, gpa);
  Post(id, len);
}

bool SplitDriverRing::WantsKick(uint32_t n) const {
  if (!event_idx_) return (LoadOnce(&used_->flags) & VRING_USED_F_NO_NOTIFY) == 0;
  const uint16_t event = LoadOnce(reinterpret_cast<const uint16_t*>(&used_->ring[size_]));
  return NeedEvent(event, avail_idx_, static_cast<uint16_t>(avail_idx_ - n));
}

bool PackedDriverRing::Fits(const DriverQueueSetup& s) {
  return s.size > 0 && s.size <= kVringMaxSize && Inside(s, s.desc, uint64_t{16} * s.size, 16) &&
         Inside(s, s.avail, sizeof(VringPackedDescEvent), 4) &&
         Inside(s, s.used, sizeof(VringPackedDescEvent), 4);
}

void PackedDriverRing::Init(const DriverQueueSetup& s, QueueRole role) {
  InitBase(s, role);
  ring_ = reinterpret_cast<VringPackedDesc*>(s.base + s.desc);
  auto* driver_event = reinterpret_cast<VringPackedDescEvent*>(s.base + s.avail);
  device_event_ = reinterpret_cast<const VringPackedDescEvent*>(s.base + s.used);
  StoreOnce(&driver_event->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
  for (uint32_t slot = 0; slot < size_; slot++) ring_[slot] = {};
}

Used PackedDriverRing::Peek(uint32_t ahead, UsedBuffer* out) {
  if (ahead >= size_) return Used::kNone;
  const Position p = Plus(used_, ahead);
  const VringPackedDesc d = LoadPackedDesc(&ring_[p.slot]);
  constexpr uint16_t kBoth = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;
  if ((d.flags & kBoth) != (p.wrap ? kBoth : 0)) return Used::kNone;
  // The length of a buffer that was not written is meaningless (VIRTIO 1.2, 2.8.12).
  *out = {d.id, (d.flags & VRING_DESC_F_WRITE) ? d.len : 0};
  return InFlight(out->id) && out->len <= buffer_size_ ? Used::kBuffer : Used::kNonsense;
}

void PackedDriverRing::Post(uint32_t id, uint64_t gpa, uint32_t len) {
  VringPackedDesc* d = &ring_[avail_.slot];
  StoreIfDifferent(&d->addr, gpa);
  const uint16_t flags =
      static_cast<uint16_t>((avail_.wrap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED) |
                            (writable_ ? VRING_DESC_F_WRITE : 0));
  StoreRelease(PackedTail(d), len | uint64_t{id} << 32 | uint64_t{flags} << 48);
  avail_ = Plus(avail_, 1);
  Sent(id);
}

bool PackedDriverRing::WantsKick(uint32_t n) const {
  const uint32_t word = LoadOnce(reinterpret_cast<const uint32_t*>(device_event_));
  return PackedNeedsEvent(word, static_cast<uint16_t>(avail_.slot), avail_.wrap, n, size_);
}

}  // namespace vpci
