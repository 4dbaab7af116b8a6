// SPDX-License-Identifier: BSD-3-Clause
#include "packet/capture_queue.h"

#include <time.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace vpci {
namespace {

constexpr uint32_t kUsualBurst = 512;

uint64_t Now() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

uint32_t RoundUp8(uint32_t n) { return (n + 7) & ~7u; }

}  // namespace

CaptureQueue::CaptureQueue(uint8_t* memory, uint32_t bytes, uint32_t snaplen, CaptureFilter filter)
    : shared_(reinterpret_cast<CaptureRingHead*>(memory)),
      data_(memory + kCaptureData),
      bytes_(bytes),
      snaplen_(snaplen),
      filter_(std::move(filter)),
      pieces_(new uint8_t[kMaxPacketBytes]) {
  burst_.reserve(kUsualBurst);
}

void CaptureQueue::Received(MbufPool& pool, const uint32_t* ids, uint32_t n) {
  const uint64_t time = Now();
  for (uint32_t i = 0; i < n; i++) Count(Put(pool, ids[i], time));
  Publish();
}

void CaptureQueue::Sending(MbufPool& pool, const uint32_t* ids, uint32_t n) {
  const uint64_t time = Now();
  burst_.clear();
  for (uint32_t i = 0; i < n; i++) {
    const Fate fate = Put(pool, ids[i], time);
    burst_.push_back({position_, fate});
  }
}

void CaptureQueue::Sent(uint32_t n) {
  const size_t taken = std::min<size_t>(n, burst_.size());
  for (size_t i = 0; i < taken; i++) Count(burst_[i].fate);
  position_ = taken > 0 ? burst_[taken - 1].position : shared_position_;
  burst_.clear();
  Publish();
}

void CaptureQueue::Publish() {
  shared_position_ = position_;
  __atomic_store_n(&shared_->head, position_, __ATOMIC_RELEASE);
}

CaptureCounts CaptureQueue::counts() const {
  const auto count = [this](Fate fate) {
    return counts_[static_cast<size_t>(fate)].load(std::memory_order_relaxed);
  };
  return {count(Fate::kAccepted), count(Fate::kFiltered), count(Fate::kDropped)};
}

// A packet in one piece, and how much of it there is; null if it is none.
const uint8_t* CaptureQueue::Whole(MbufPool& pool, uint32_t id, uint32_t* present) {
  if (id >= pool.count()) return nullptr;
  const uint32_t length = pool.pkt_len()[id];
  const uint32_t off = pool.data_off()[id], len = pool.data_len()[id];
  if (off + len > pool.stride()) return nullptr;
  *present = std::min(len, length);
  if (len >= length || pool.next()[id] == kNoNext) return pool.buffer(id) + off;
  uint32_t done = 0;
  for (uint32_t ttl = pool.count(); id < pool.count() && ttl > 0 && done < length; ttl--) {
    const uint32_t start = pool.data_off()[id];
    const uint32_t part = std::min<uint32_t>({pool.data_len()[id], length - done, kMaxPacketBytes - done});
    if (start + part > pool.stride()) return nullptr;
    std::memcpy(pieces_.get() + done, pool.buffer(id) + start, part);
    done += part;
    if (done == kMaxPacketBytes) break;
    id = pool.next()[id];
  }
  *present = done;
  return pieces_.get();
}

CaptureQueue::Fate CaptureQueue::Put(MbufPool& pool, uint32_t id, uint64_t time) {
  uint32_t present = 0;
  const uint8_t* packet = Whole(pool, id, &present);
  if (!packet) return Fate::kFiltered;
  const uint32_t length = pool.pkt_len()[id];
  const uint32_t wanted = filter_.Run(packet, present, length);
  if (wanted == 0) return Fate::kFiltered;
  present = std::min({present, wanted, snaplen_});
  uint8_t* to = Room(present);
  if (!to) return Fate::kDropped;
  const CaptureRecord record{present, length, time};
  std::memcpy(to, &record, sizeof record);
  std::memcpy(to + sizeof record, packet, present);
  return Fate::kAccepted;
}

// Where the record of a packet goes, and the position moves behind it; null if there is no room.
uint8_t* CaptureQueue::Room(uint32_t present) {
  const uint32_t needed = static_cast<uint32_t>(sizeof(CaptureRecord)) + RoundUp8(present);
  // More would never fit where the ring has to wrap.
  if (needed > bytes_ / 2) return nullptr;
  const uint32_t offset = position_ & (bytes_ - 1);
  const uint32_t skipped = needed > bytes_ - offset ? bytes_ - offset : 0;
  const uint64_t total = uint64_t{skipped} + needed;
  if (total > bytes_ - (position_ - read_)) {
    const uint32_t read = __atomic_load_n(&shared_->tail, __ATOMIC_ACQUIRE);
    // A reader cannot be ahead of what it may see, nor go backwards.
    if (shared_position_ - read > shared_position_ - read_) return nullptr;
    read_ = read;
    if (total > bytes_ - (position_ - read_)) return nullptr;
  }
  if (skipped > 0) std::memcpy(data_ + offset, &kCaptureWrap, sizeof kCaptureWrap);
  position_ += static_cast<uint32_t>(total);
  return data_ + ((position_ - needed) & (bytes_ - 1));
}

}  // namespace vpci
