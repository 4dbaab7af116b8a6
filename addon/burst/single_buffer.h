// SPDX-License-Identifier: BSD-3-Clause
// The shape that nearly every driver gives to its buffers: header and packet together in one descriptor. The
// fast roads take nothing else.
#pragma once
#include <cstdint>
#include <cstring>

#include "packet/mbuf_pool.h"
#include "ring/device_queue.h"
#include "ring/split_ring.h"
#include "ring/variant.h"

namespace vpci {

// Translates such buffers for a batch. It holds what it needs of the queue itself, where no store into the
// peer's memory can be taken to change it.
class SingleBuffers {
 public:
  explicit SingleBuffers(DeviceQueue& q) : q_(q), hdr_bytes_(q.hdr_bytes) { TakeRegion(); }

  uint32_t hdr_bytes() const { return hdr_bytes_; }

  // Where the header of a readable entry is, with `e.len - hdr_bytes` bytes of packet behind it, at most
  // `most`; nullptr for any other shape, and for what is no packet. `most` is kMinPacketBytes to
  // kMaxPacketBytes: one comparison sees what is too short, which wraps around, and what is too long.
  const uint8_t* Readable(const Entry& e, uint32_t most) {
    if (__builtin_expect(e.flags != 0 || e.len - hdr_bytes_ - kMinPacketBytes > most - kMinPacketBytes, 0))
      return nullptr;
    return Translate(e.addr, e.len);
  }

  // Where the header of a writable entry goes, with room for `len` bytes of packet behind it. `len` may come
  // from another peer: its sum with the header does not wrap.
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

// Looks at up to `n` single buffers and asks for the lines of each in which the header and a packet of `len`
// bytes lie: `kWrite` when the packet will be written in any case.
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

// A private copy of a header: the copy is what counts, whatever the peer does meanwhile.
inline VirtioNetHdr CopyHeader(const uint8_t* header) {
  VirtioNetHdr hdr{};
  std::memcpy(&hdr, header, 10);
  asm volatile("" : "+m"(hdr));
  return hdr;
}

// Most packets ask for no work on their checksum and no cutting.
inline bool AsksForNothing(const VirtioNetHdr& hdr) {
  return hdr.flags == 0 && hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE;
}

inline void WriteHeader(uint8_t* dst, uint32_t hdr_bytes, const VirtioNetHdr& hdr) {
  if (__builtin_expect(hdr_bytes == sizeof hdr, 1))
    std::memcpy(dst, &hdr, sizeof hdr);
  else
    std::memcpy(dst, &hdr, 10);
}

// Of a packet without metadata in one buffer the header is zero but for num_buffers (VIRTIO 1.2, 5.1.6.4.1).
inline constexpr VirtioNetHdr kPlainHeader = {0, VIRTIO_NET_HDR_GSO_NONE, 0, 0, 0, 0, 1};

// Writes that header unless it is there already, from the buffer's last round: then its line may stay in the
// caches of both cores. Who changes it behind our back changes his own packet.
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
