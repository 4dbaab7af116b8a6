// SPDX-License-Identifier: BSD-3-Clause
#include "packet/mbuf_pool.h"

namespace vpci {
namespace {

constexpr size_t kLine = 64;
constexpr size_t AlignUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

uint32_t Stride(const PoolOptions& o) {
  return static_cast<uint32_t>(AlignUp(o.headroom + o.data_room, kLine));
}

}  // namespace

size_t MbufPool::BytesNeeded(const PoolOptions& o) {
  size_t n = o.count;
  return n * Stride(o) + 7 * AlignUp(n * 2, kLine) + 3 * AlignUp(n * 4, kLine) + kMaxVectorEntries * 4;
}

MbufPool::MbufPool(uint8_t* memory, const PoolOptions& o)
    : memory_(memory), count_(o.count), stride_(Stride(o)), headroom_(o.headroom), top_(o.count) {
  size_t n = o.count;
  uint8_t* at = memory;
  const auto take = [&at](size_t bytes) {
    uint8_t* start = at;
    at += AlignUp(bytes, kLine);
    return start;
  };
  data_ = take(n * stride_);
  data_off_ = reinterpret_cast<uint16_t*>(take(n * 2));
  data_len_ = reinterpret_cast<uint16_t*>(take(n * 2));
  pkt_len_ = reinterpret_cast<uint32_t*>(take(n * 4));
  next_ = reinterpret_cast<uint32_t*>(take(n * 4));
  ol_flags_ = reinterpret_cast<uint16_t*>(take(n * 2));
  csum_start_ = reinterpret_cast<uint16_t*>(take(n * 2));
  csum_offset_ = reinterpret_cast<uint16_t*>(take(n * 2));
  gso_size_ = reinterpret_cast<uint16_t*>(take(n * 2));
  hdr_len_ = reinterpret_cast<uint16_t*>(take(n * 2));
  stack_ = reinterpret_cast<uint32_t*>(take(n * 4));
  vector_area_ = reinterpret_cast<uint32_t*>(take(kMaxVectorEntries * 4));
  for (uint32_t id = 0; id < count_; id++) {
    next_[id] = kFreeMark;
    stack_[id] = count_ - 1 - id;
  }
}

int MbufPool::AddVector(uint32_t capacity) {
  // Each vector starts on its own cache line.
  uint32_t room = static_cast<uint32_t>(AlignUp(capacity, kLine / 4));
  if (vector_count_ == kMaxVectors || room > kMaxVectorEntries - vector_entries_used_) return -1;
  vectors_[vector_count_] = {vector_area_ + vector_entries_used_, capacity};
  vector_entries_used_ += room;
  return static_cast<int>(vector_count_++);
}

// Stops after the last segment, at an id outside the pool, and at an mbuf that is already free (a loop, a
// double free).
void MbufPool::FreeChain(uint32_t id) {
  while (id < count_ && next_[id] != kFreeMark) {
    uint32_t next = next_[id];
    FreeOne(id);
    id = next;
  }
}

}  // namespace vpci
