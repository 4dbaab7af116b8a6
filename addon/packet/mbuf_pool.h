// SPDX-License-Identifier: BSD-3-Clause
// A pool of mbufs for one thread: ids 0..count-1, metadata in parallel arrays, packet data in one block, a
// stack of the free ids. Everything lies in one block of memory that the owner supplies, so that TypeScript
// sees the same arrays.
//
// A free mbuf has next == kFreeMark, so that an application's double free is detected and ignored.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vpci {

inline constexpr uint32_t kNoNext = 0xffffffff;
inline constexpr uint32_t kFreeMark = 0xfffffffe;

// An Ethernet header; anything shorter is not a frame.
inline constexpr uint32_t kMinPacketBytes = 14;
// The largest frame that segmentation offload makes, plus a VLAN tag.
inline constexpr uint32_t kMaxPacketBytes = 65550;

// ol_flags of a packet: work left to a later stage, modelled on the header of VIRTIO 1.2, 5.1.6. Mirrored in
// src/ethdev/mempool.ts.
inline constexpr uint16_t MBUF_F_CSUM_VALID = 1;  // checksums are known to be good
// The checksum over csum_start to the packet's end goes to csum_start + csum_offset, which holds the sum of
// the pseudo-header until then.
inline constexpr uint16_t MBUF_F_NEEDS_CSUM = 2;
inline constexpr uint16_t MBUF_F_TSO4 = 4;  // TCP over IPv4, to be split into segments of gso_size bytes
inline constexpr uint16_t MBUF_F_TSO6 = 8;
inline constexpr uint16_t MBUF_F_USO = 16;  // UDP over IPv4 or IPv6, to be split into datagrams
inline constexpr uint16_t MBUF_F_ECN = 32;  // with TSO4 or TSO6: the segments carry ECN marks
inline constexpr uint16_t MBUF_F_GSO = MBUF_F_TSO4 | MBUF_F_TSO6 | MBUF_F_USO;

struct PoolOptions {
  uint32_t count;
  uint32_t data_room;
  uint32_t headroom;
};

class MbufPool {
 public:
  static constexpr uint32_t kMaxVectors = 1024;
  static constexpr uint32_t kMaxVectorEntries = 32768;

  // Memory size required for a pool with these options.
  static size_t BytesNeeded(const PoolOptions& options);

  // Lays the pool out in `memory` (zeroed, 64-byte aligned, BytesNeeded() long), all mbufs free.
  MbufPool(uint8_t* memory, const PoolOptions& options);

  uint32_t count() const { return count_; }
  uint32_t stride() const { return stride_; }
  uint32_t headroom() const { return headroom_; }
  uint32_t data_room() const { return stride_ - headroom_; }
  uint32_t available() const { return top_; }
  // The largest packet that all mbufs together could hold.
  uint64_t capacity() const { return uint64_t{count_} * data_room(); }

  uint8_t* buffer(uint32_t id) { return data_ + size_t{id} * stride_; }
  uint16_t* data_off() { return data_off_; }
  uint16_t* data_len() { return data_len_; }
  uint32_t* pkt_len() { return pkt_len_; }
  uint32_t* next() { return next_; }
  // Offload metadata, valid in a packet's first segment. Alloc does not touch ol_flags: the code that makes a
  // packet sets it, and each other field that a flag refers to. Offsets count from the packet's first byte.
  uint16_t* ol_flags() { return ol_flags_; }
  uint16_t* csum_start() { return csum_start_; }
  uint16_t* csum_offset() { return csum_offset_; }
  uint16_t* gso_size() { return gso_size_; }
  uint16_t* hdr_len() { return hdr_len_; }
  // Byte offset of one of the arrays above within the pool's memory.
  size_t OffsetOf(const void* p) const {
    return static_cast<size_t>(static_cast<const uint8_t*>(p) - memory_);
  }
  const uint8_t* data() const { return data_; }

  // Allocates `n` mbufs, all or none.
  bool Alloc(uint32_t* ids, uint32_t n) {
    if (__builtin_expect(n > top_, 0)) return false;
    top_ -= n;
    const uint32_t* const from = stack_ + top_;
    uint32_t* const next = next_;
    uint16_t* const data_off = data_off_;
    const uint16_t headroom = static_cast<uint16_t>(headroom_);
    for (uint32_t i = 0; i < n; i++) {
      const uint32_t id = from[i];
      ids[i] = id;
      next[id] = kNoNext;
      data_off[id] = headroom;
    }
    return true;
  }

  // Makes `n` new mbufs packets of `length` bytes, without offload metadata.
  void Begin(const uint32_t* ids, uint32_t n, uint32_t length) {
    // Copies of the pointers: the compiler cannot know that the stores below leave them alone.
    uint16_t* const data_len = data_len_;
    uint32_t* const pkt_len = pkt_len_;
    uint16_t* const ol_flags = ol_flags_;
    for (uint32_t i = 0; i < n; i++) {
      const uint32_t id = ids[i];
      data_len[id] = static_cast<uint16_t>(length);
      pkt_len[id] = length;
      ol_flags[id] = 0;
    }
  }

  // Frees single-segment mbufs one by one and updates the pool's count at the end. Nothing else may use the
  // pool meanwhile.
  class Returns {
   public:
    explicit Returns(MbufPool& pool) : pool_(pool), next_(pool.next_), stack_(pool.stack_), top_(pool.top_) {}
    ~Returns() { pool_.top_ = top_; }
    Returns(const Returns&) = delete;

    // How many Put() calls still fit; less than the mbufs in use only if the application corrupted the free
    // marks.
    uint32_t room() const { return pool_.count_ - top_; }
    // `id` must be an mbuf of the pool that is not free.
    void Put(uint32_t id) {
      next_[id] = kFreeMark;
      stack_[top_++] = id;
    }

   private:
    MbufPool& pool_;
    uint32_t* const next_;
    uint32_t* const stack_;
    uint32_t top_;
  };

  // Frees packets with all their segments. Ids outside this pool are ignored: they come from an application.
  void Free(const uint32_t* ids, uint32_t n) {
    const uint32_t count = count_;
    for (uint32_t i = 0; i < n;) {
      // Most packets are one mbuf: these are freed without looking at the pool's fields again.
      uint32_t* const next = next_;
      uint32_t* const stack = stack_;
      uint32_t top = top_;
      // Read once: the ids lie in memory that JavaScript may write meanwhile.
      uint32_t id = 0;
      for (; i < n; i++) {
        id = ids[i];
        if (top >= count || id >= count || next[id] != kNoNext) break;
        next[id] = kFreeMark;
        stack[top++] = id;
      }
      top_ = top;
      if (i < n && id < count) FreeChain(id);
      i++;
    }
  }

  // A vector of mbuf ids in the pool's memory; -1 if the pool has no room for it.
  int AddVector(uint32_t capacity);
  uint32_t vector_count() const { return vector_count_; }
  uint32_t* vector(uint32_t index) { return vectors_[index].ids; }
  uint32_t vector_capacity(uint32_t index) const { return vectors_[index].capacity; }

 private:
  struct Vector {
    uint32_t* ids;
    uint32_t capacity;
  };

  void FreeOne(uint32_t id) {
    // All are free already: the application has overwritten a free mark.
    if (__builtin_expect(top_ == count_, 0)) return;
    next_[id] = kFreeMark;
    stack_[top_++] = id;
  }
  void FreeChain(uint32_t id);

  uint8_t* memory_;
  uint8_t* data_;
  uint16_t* data_off_;
  uint16_t* data_len_;
  uint32_t* pkt_len_;
  uint32_t* next_;
  uint16_t* ol_flags_;
  uint16_t* csum_start_;
  uint16_t* csum_offset_;
  uint16_t* gso_size_;
  uint16_t* hdr_len_;
  uint32_t* stack_;
  uint32_t* vector_area_;
  uint32_t count_;
  uint32_t stride_;
  uint32_t headroom_;
  uint32_t top_;
  uint32_t vector_entries_used_ = 0;
  uint32_t vector_count_ = 0;
  Vector vectors_[kMaxVectors];
};

}  // namespace vpci
