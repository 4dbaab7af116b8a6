// SPDX-License-Identifier: BSD-3-Clause
// The buffer shape of nearly every driver: header and packet together in one descriptor. The fast paths take
// no other.
#pragma once
#include <cstdint>
#include <cstring>

#include "packet/mbuf_pool.h"
#include "ring/device_queue.h"
#include "ring/split_ring.h"
#include "ring/variant.h"

namespace vpci {

// Translates such buffers for a batch. It keeps its own copies of the queue's fields: the compiler knows that
// no store into the peer's memory changes them.
class SingleBuffers {
 public:
  explicit SingleBuffers(DeviceQueue& q) : q_(q), hdr_bytes_(q.hdr_bytes) { TakeRegion(); }

  uint32_t hdr_bytes() const { return hdr_bytes_; }

  // The header of a readable entry, followed by `e.len - hdr_bytes` bytes of packet, at most `most`; nullptr
  // for any other shape, and for an invalid length. `most` is kMinPacketBytes to kMaxPacketBytes: one
  // comparison catches both a packet that is too long and one that is too short, which wraps around.
  const uint8_t* Readable(const Entry& e, uint32_t most) {
    if (__builtin_expect(e.flags != 0 || e.len - hdr_bytes_ - kMinPacketBytes > most - kMinPacketBytes, 0))
      return nullptr;
    return Translate(e.addr, e.len);
  }

  // The header of a writable entry with room for `len` bytes of packet behind it. `len` may come from another
  // peer: the sum with the header must not wrap.
  uint8_t* Writable(const Entry& e, uint32_t len) {
    if (__builtin_expect(e.flags != VRING_DESC_F_WRITE || e.len < uint64_t{len} + hdr_bytes_, 0))
      return nullptr;
    return Translate(e.addr, e.len);
  }

 private:
  uint8_t* Translate(uint64_t gpa, uint32_t len) {
    const uint64_t offset = gpa - gpa_;
    if (__builtin_expect(offset < size_ && len <= size_ - offset, 1)) return base_ + offset;
    uint8_t* found = q_.Translate(gpa, len);
    TakeRegion();
    return found;
  }
  void TakeRegion() {
    gpa_ = q_.region_gpa;
    size_ = q_.region_size;
    base_ = q_.region_base;
  }

  DeviceQueue& q_;
  const uint32_t hdr_bytes_;
  uint64_t gpa_, size_;
  uint8_t* base_;
};

// Inspects up to `n` single buffers and prefetches the lines of each that hold the header and a packet of
// `len` bytes; `kWrite` if the packet will certainly be written.
template <bool kWrite, class Ring>
inline uint32_t FindBuffers(DeviceQueue& q, const Ring& ring, uint32_t n, uint32_t len, HeldBuffer* found) {
  SingleBuffers buffers(q);
  const uint32_t hdr_bytes = buffers.hdr_bytes();
  const auto prefetch = [](uint8_t* p) { kWrite ? PrefetchWrite(p) : PrefetchRead(p); };
  uint32_t count = 0;
  for (; count < n; count++) {
    Entry e;
    if (!ring.Peek(count, &e)) break;
    uint8_t* header = buffers.Writable(e, 1);
    if (__builtin_expect(!header, 0)) break;
    PrefetchRead(header);
    prefetch(header + hdr_bytes);
    prefetch(header + hdr_bytes + len - 1);
    found[count] = {header, e.len - hdr_bytes, e.id};
  }
  return count;
}

// A private copy of a header; only the copy is used, whatever the peer does meanwhile.
inline VirtioNetHdr CopyHeader(const uint8_t* header) {
  VirtioNetHdr hdr{};
  std::memcpy(&hdr, header, 10);
  asm volatile("" : "+m"(hdr));
  return hdr;
}

// True for most packets: no checksum to finish and no segmentation.
inline bool AsksForNothing(const VirtioNetHdr& hdr) {
  return hdr.flags == 0 && hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE;
}

inline void WriteHeader(uint8_t* dst, uint32_t hdr_bytes, const VirtioNetHdr& hdr) {
  if (__builtin_expect(hdr_bytes == sizeof hdr, 1))
    std::memcpy(dst, &hdr, sizeof hdr);
  else
    std::memcpy(dst, &hdr, 10);
}

// The header of a packet without metadata in one buffer is zero except for num_buffers (VIRTIO 1.2,
// 5.1.6.4.1).
inline constexpr VirtioNetHdr kPlainHeader = {0, VIRTIO_NET_HDR_GSO_NONE, 0, 0, 0, 0, 1};

// Writes that header unless it is already there from the buffer's last use, so that its line may stay in the
// caches of both cores. A peer that changes it meanwhile only corrupts its own packet.
inline void WritePlainHeader(uint8_t* dst, uint32_t hdr_bytes) {
  if (__builtin_expect(hdr_bytes == sizeof kPlainHeader, 1)) {
    uint64_t first;
    uint32_t last;
    std::memcpy(&first, dst, sizeof first);
    std::memcpy(&last, dst + sizeof first, sizeof last);
    constexpr uint32_t kLast = uint32_t{kPlainHeader.num_buffers} << 16;
    if (__builtin_expect(first == 0 && last == kLast, 1)) return;
  }
  WriteHeader(dst, hdr_bytes, kPlainHeader);
}

}  // namespace vpci
