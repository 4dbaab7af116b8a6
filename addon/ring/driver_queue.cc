// SPDX-License-Identifier: BSD-3-Clause
#include "ring/driver_queue.h"

#include <unistd.h>

#include <algorithm>

#include "ring/copy.h"
#include "ring/shared_access.h"
#include "ring/traffic.h"

namespace vpci {
namespace {

// Frames generated or taken between two publications of the index: the back-end can start while the rest is
// made.
constexpr uint32_t kChunk = 32;
// How many frames ahead the lines that the other core wrote are asked for.
constexpr uint32_t kLookAhead = 6;

bool Inside(const DriverQueueSetup& s, uint64_t offset, uint64_t bytes, uint64_t align) {
  return offset <= s.length && bytes <= s.length - offset && (offset % align) == 0;
}

}  // namespace

bool DriverQueue::Init(QueueRole role, const DriverQueueSetup& s) {
  if (s.size == 0 || s.size > kVringMaxSize || (s.size & (s.size - 1)) || s.buffer_size < 76) return false;
  if (!Inside(s, s.desc, uint64_t{16} * s.size, 16) || !Inside(s, s.avail, uint64_t{2} * s.size + 6, 2) ||
      !Inside(s, s.used, uint64_t{8} * s.size + 6, 4) ||
      !Inside(s, s.buffers, uint64_t{s.buffer_size} * s.size, 1))
    return false;
  desc_ = reinterpret_cast<VringDesc*>(s.base + s.desc);
  avail_ = reinterpret_cast<VringAvail*>(s.base + s.avail);
  used_ = reinterpret_cast<const VringUsed*>(s.base + s.used);
  buffers_ = s.base + s.buffers;
  mask_ = static_cast<uint16_t>(s.size - 1);
  hdr_bytes_ = NetHdrBytes(s.features);
  buffer_size_ = s.buffer_size;
  mergeable_ = HasFeature(s.features, VIRTIO_NET_F_MRG_RXBUF);
  kick_fd_ = s.kick_fd;
  in_order_ = HasFeature(s.features, VIRTIO_F_IN_ORDER);
  in_flight_.assign(s.size, 0);
  free_.assign(s.size, 0);
  frame_ids_.assign(s.size, 0);
  dressed_.assign(s.size, 0);
  // We poll, so the back-end need not call us.
  StoreOnce(&avail_->flags, VRING_AVAIL_F_NO_INTERRUPT);
  avail_idx_ = used_idx_ = LoadOnce(&used_->idx);
  StoreOnce(&avail_->idx, avail_idx_);
  for (uint32_t id = 0; id < s.size; id++) {
    bool rx = role == QueueRole::kRx;
    desc_[id] = {s.gpa + s.buffers + uint64_t{id} * s.buffer_size, rx ? s.buffer_size : 0,
                 rx ? VRING_DESC_F_WRITE : uint16_t{0}, 0};
    if (rx)
      Post(id);
    else
      free_[free_count_++] = static_cast<uint16_t>(id);
  }
  Publish(role == QueueRole::kRx ? s.size : 0);
  return true;
}

bool DriverQueue::SetTemplate(const uint8_t* frame, uint32_t len) {
  if (len < kTrafficMinFrame || len > kTrafficMaxFrame || len + hdr_bytes_ > buffer_size_) return false;
  template_.assign(frame, frame + len);
  std::fill_n(template_.begin() + kTrafficSequenceAt, 12, uint8_t{0});
  template_sum_ = WordSum(template_.data() + kTrafficHeaderBytes, len - kTrafficHeaderBytes);
  std::fill(dressed_.begin(), dressed_.end(), uint8_t{0});
  return true;
}

// A back-end that breaks the rules stops this queue; it is counted and nothing else happens.
void DriverQueue::Fail() {
  counters.ring_errors++;
  failed_ = true;
}

bool DriverQueue::TakeUsed(uint16_t index, uint32_t* id, uint32_t* len) {
  const VringUsedElem* shared = &used_->ring[index & mask_];
  const VringUsedElem e{LoadOnce(&shared->id), LoadOnce(&shared->len)};
  if (e.id > mask_ || !in_flight_[e.id] || e.len > buffer_size_) {
    Fail();
    return false;
  }
  *id = e.id;
  *len = e.len;
  return true;
}

// A line that already holds the value is not dirtied, so the other core keeps its copy.
template <typename T>
inline void StoreIfDifferent(T* p, T value) {
  if (LoadOnce(p) != value) StoreOnce(p, value);
}

uint32_t DriverQueue::ReadyEntries() {
  uint16_t ready = static_cast<uint16_t>(LoadAcquire(&used_->idx) - used_idx_);
  if (ready <= uint32_t{mask_} + 1) return ready;
  Fail();
  return 0;
}

void DriverQueue::Reclaim() {
  for (uint32_t ready = ReadyEntries(); ready > 0; ready--) {
    uint32_t id, len;
    if (in_order_)
      // A back-end may write one used entry for a whole batch (VIRTIO 1.2, 2.7.9).
      id = LoadOnce(&avail_->ring[used_idx_ & mask_]);
    else if (!TakeUsed(used_idx_, &id, &len))
      return;
    if (id > mask_ || !in_flight_[id]) return Fail();
    in_flight_[id] = 0;
    free_[(free_head_ + free_count_++) & mask_] = static_cast<uint16_t>(id);
    used_idx_++;
  }
}

uint32_t DriverQueue::TakeFree() {
  uint32_t id = free_[free_head_ & mask_];
  free_head_++;
  free_count_--;
  return id;
}

void DriverQueue::Post(uint32_t id) {
  in_flight_[id] = 1;
  StoreIfDifferent(&avail_->ring[avail_idx_++ & mask_], static_cast<uint16_t>(id));
}

void DriverQueue::PostTx(uint32_t id, uint32_t frame_len) {
  StoreIfDifferent(&desc_[id].len, hdr_bytes_ + frame_len);
  Post(id);
}

void DriverQueue::Publish(uint32_t n) {
  if (n == 0) return;
  StoreRelease(&avail_->idx, avail_idx_);
  FullFence();
  if (kick_fd_ < 0 || (LoadOnce(&used_->flags) & VRING_USED_F_NO_NOTIFY)) return;
  uint64_t one = 1;
  if (write(kick_fd_, &one, sizeof one) == sizeof one) counters.kicks++;
}

uint32_t DriverQueue::Generate(uint32_t n) {
  if (failed_ || template_.empty()) return 0;
  if (free_count_ < n) Reclaim();
  uint32_t count = std::min(n, free_count_);
  uint32_t len = static_cast<uint32_t>(template_.size());
  for (uint32_t i = 0; i < count; i++) {
    PrefetchWrite(Buffer(free_[(free_head_ + kLookAhead) & mask_]) + hdr_bytes_ + kTrafficSequenceAt);
    uint32_t id = TakeFree();
    uint8_t* frame = Buffer(id) + hdr_bytes_;
    if (!dressed_[id]) {
      std::memset(Buffer(id), 0, hdr_bytes_);
      std::memcpy(frame, template_.data(), len);
      dressed_[id] = 1;
    }
    uint64_t sequence = next_sequence_++;
    uint64_t sum = template_sum_ + (sequence & 0xffffffff) + (sequence >> 32);
    uint32_t checksum = FoldSum(sum, len);
    std::memcpy(frame + kTrafficSequenceAt, &sequence, 8);
    std::memcpy(frame + kTrafficChecksumAt, &checksum, 4);
    PostTx(id, len);
    if ((i + 1) % kChunk == 0) StoreRelease(&avail_->idx, avail_idx_);
  }
  Publish(count);
  counters.packets += count;
  counters.bytes += uint64_t{count} * len;
  return count;
}

bool DriverQueue::NextFrame(uint16_t index, uint32_t ready, Frame* out) {
  const uint8_t* ahead = Buffer(LoadOnce(&used_->ring[(index + kLookAhead) & mask_].id) & mask_);
  PrefetchRead(ahead);
  PrefetchRead(ahead + 64);
  uint32_t id, len;
  if (!TakeUsed(index, &id, &len)) return false;
  if (len <= hdr_bytes_) {
    Fail();
    return false;
  }
  const uint8_t* buffer = Buffer(id);
  uint16_t num_buffers = 1;
  if (mergeable_) num_buffers = LoadUnalignedOnce(buffer + offsetof(VirtioNetHdr, num_buffers));
  if (num_buffers == 0 || num_buffers > ready) {
    Fail();
    return false;
  }
  if (num_buffers > 1) return GatherFrame(index, num_buffers, out);
  frame_ids_[0] = static_cast<uint16_t>(id);
  *out = {buffer + hdr_bytes_, len - hdr_bytes_, 1};
  return true;
}

bool DriverQueue::GatherFrame(uint16_t index, uint32_t buffers, Frame* out) {
  scratch_.clear();
  for (uint32_t i = 0; i < buffers; i++) {
    uint32_t id, len;
    if (!TakeUsed(static_cast<uint16_t>(index + i), &id, &len)) return false;
    frame_ids_[i] = static_cast<uint16_t>(id);
    uint32_t skip = i == 0 ? hdr_bytes_ : 0;
    scratch_.insert(scratch_.end(), Buffer(id) + skip, Buffer(id) + std::max(skip, len));
  }
  *out = {scratch_.data(), static_cast<uint32_t>(scratch_.size()), buffers};
  return true;
}

// The buffers of the frame taken last become available again.
void DriverQueue::Repost(uint32_t entries) {
  for (uint32_t i = 0; i < entries; i++) Post(frame_ids_[i]);
  used_idx_ = static_cast<uint16_t>(used_idx_ + entries);
}

void DriverQueue::CheckReceived(const Frame& frame) {
  FrameCheck check = CheckFrame(frame.data, frame.len);
  if (!check.long_enough) {
    counters.bad_frame++;
    return;
  }
  if (!check.checksum_ok) {
    counters.bad_checksum++;
    return;
  }
  // A gap is a loss, which the totals tell; going back is reordering or duplication.
  if (check.sequence < expected_sequence_)
    counters.out_of_sequence++;
  else
    expected_sequence_ = check.sequence + 1;
}

uint32_t DriverQueue::Receive(uint32_t n, bool check) {
  if (failed_) return 0;
  uint32_t ready = ReadyEntries();
  uint32_t frames = 0, entries = 0;
  uint64_t bytes = 0;
  Frame frame;
  while (frames < n && entries < ready && NextFrame(used_idx_, ready - entries, &frame)) {
    if (check) CheckReceived(frame);
    Repost(frame.entries);
    entries += frame.entries;
    bytes += frame.len;
    frames++;
  }
  Publish(entries);
  counters.packets += frames;
  counters.bytes += bytes;
  return frames;
}

void DriverQueue::SendBack(DriverQueue& tx, const Frame& frame) {
  if (frame.len < 14 || frame.len + tx.hdr_bytes_ > tx.buffer_size_) {
    counters.bad_frame++;
    return;
  }
  uint32_t id = tx.TakeFree();
  uint8_t* to = tx.Buffer(id);
  std::memset(to, 0, tx.hdr_bytes_);
  to += tx.hdr_bytes_;
  CopyPacket(to, frame.data, frame.len);
  std::memcpy(to, frame.data + 6, 6);
  std::memcpy(to + 6, frame.data, 6);
  tx.dressed_[id] = 0;
  tx.PostTx(id, frame.len);
  tx.counters.packets++;
  tx.counters.bytes += frame.len;
}

uint32_t DriverQueue::Echo(DriverQueue& tx, uint32_t n) {
  if (failed_ || tx.failed_) return 0;
  if (tx.free_count_ < n) tx.Reclaim();
  uint32_t ready = ReadyEntries();
  uint32_t frames = 0, entries = 0;
  Frame frame;
  while (frames < n && entries < ready && tx.free_count_ > 0 &&
         NextFrame(used_idx_, ready - entries, &frame)) {
    SendBack(tx, frame);
    counters.packets++;
    counters.bytes += frame.len;
    Repost(frame.entries);
    entries += frame.entries;
    frames++;
  }
  Publish(entries);
  tx.Publish(frames);
  return frames;
}

}  // namespace vpci
