// SPDX-License-Identifier: BSD-3-Clause
#include "burst/section_tx.h"

#include <algorithm>

#include "burst/burst.h"
#include "burst/single_buffer.h"
#include "packet/copy.h"
#include "packet/offload.h"
#include "packet/segmenter.h"
#include "packet/tx_packet.h"
#include "ring/section_ring.h"

namespace vpci {
namespace {

enum class One { kSent, kDropped, kStop };

// Puts a frame of `bytes` bytes, which `copy` writes, into the section.
template <class Copy>
One Place(SectionRing& ring, const VirtioNetHdr& hdr, uint32_t bytes, Copy copy) {
  if (bytes > ring.max_frame()) return One::kDropped;
  uint8_t* const to = ring.free() > 0 ? ring.Put(ring.hdr_bytes() + bytes) : nullptr;
  if (!to) return One::kStop;
  std::memcpy(to, &hdr, ring.hdr_bytes());
  copy(to + ring.hdr_bytes());
  return One::kSent;
}

// Segments a packet that the peer does not accept whole. If the room runs out on the way, the mbufs keep the
// rest, and the packet counts as not taken.
__attribute__((noinline)) One SendCut(DeviceQueue& q, SectionRing& ring, MbufPool& pool, uint32_t mbuf,
                                      uint32_t bytes, uint32_t* frames) {
  Segmenter segments(pool, mbuf, bytes, HasFeature(q.features, VIRTIO_NET_F_GUEST_CSUM));
  if (!segments.Open()) return One::kDropped;
  One last = One::kSent;
  while (segments.Next()) {
    VirtioNetHdr hdr = segments.header();
    hdr.num_buffers = 1;
    last = Place(ring, hdr, segments.bytes(), [&](uint8_t* to) { segments.CopyTo(to, segments.bytes()); });
    if (last != One::kSent) break;
    q.counters.CountFrame(First8(segments.protocol_headers(), sizeof(uint64_t)), segments.bytes());
    segments.Took();
  }
  *frames = segments.taken();
  if (last == One::kStop) segments.LeaveRest();
  return last;
}

// Any packet; `*frames` is the number of frames it became.
__attribute__((noinline)) One SendOne(DeviceQueue& q, SectionRing& ring, MbufPool& pool, uint32_t mbuf,
                                      uint32_t* frames) {
  const uint32_t bytes = PacketBytes(pool, mbuf);
  VirtioNetHdr hdr;
  if (bytes == 0) return One::kDropped;
  const Ready ready = MakeHeader(q.features, pool, mbuf, bytes, &hdr);
  if (ready == Ready::kNever) return One::kDropped;
  const bool cut = bytes > ring.max_frame() && (pool.ol_flags()[mbuf] & MBUF_F_GSO) != 0;
  if (ready == Ready::kCut || cut) return SendCut(q, ring, pool, mbuf, bytes, frames);
  hdr.num_buffers = 1;
  uint8_t first[8] = {};
  const One one = Place(ring, hdr, bytes, [&](uint8_t* to) {
    Scatter(pool, mbuf).CopyTo(to, bytes);
    Scatter(pool, mbuf).CopyTo(first, std::min(bytes, 8u));
  });
  if (one != One::kSent) return one;
  *frames = 1;
  q.counters.CountFrame(First8(first, 8), bytes);
  return one;
}

// A packet in one mbuf, without metadata, that the section can hold.
inline bool SimplePacket(MbufPool& pool, uint32_t mbuf, uint32_t most) {
  return SegmentIsSane(pool, mbuf) && pool.next()[mbuf] == kNoNext && pool.ol_flags()[mbuf] == 0 &&
         pool.data_len()[mbuf] - uint32_t{sizeof(uint64_t)} <= most - uint32_t{sizeof(uint64_t)};
}

struct Frame {
  uint8_t* to;
  const uint8_t* from;
  uint32_t len;
};

// Sends and frees ids[0..n) while each packet is a simple one and fits. The first pass prefetches the lines,
// the second writes them.
inline uint32_t TxFast(DeviceQueue& q, SectionRing& ring, MbufPool& pool, const uint32_t* ids, uint32_t n) {
  MbufPool::Returns returns(pool);
  Frame frames[kBatch];
  const uint32_t hdr_bytes = ring.hdr_bytes(), most = ring.max_frame();
  n = std::min({n, kBatch, returns.room(), ring.free()});
  uint32_t count = 0;
  for (; count < n; count++) {
    const uint32_t mbuf = ids[count];
    if (__builtin_expect(!SimplePacket(pool, mbuf, most), 0)) break;
    const uint32_t len = pool.data_len()[mbuf];
    uint8_t* const to = ring.Put(hdr_bytes + len);
    if (__builtin_expect(!to, 0)) break;
    PrefetchWrite(to);
    PrefetchWrite(to + hdr_bytes + len - 1);
    frames[count] = {to, pool.buffer(mbuf) + pool.data_off()[mbuf], len};
    // Nothing takes an mbuf from the pool before the frames are copied.
    returns.Put(mbuf);
  }
  FrameTally tally(q.counters);
  for (uint32_t i = 0; i < count; i++) {
    const Frame& f = frames[i];
    if (hdr_bytes != 0) WritePlainHeader(f.to, hdr_bytes);
    CopyPacket(f.to + hdr_bytes, f.from, f.len);
    tally.Count(First8(f.from, sizeof(uint64_t)), f.len);
  }
  return count;
}

}  // namespace

TxProgress SectionSend(DeviceQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n) {
  SectionRing ring(q);
  TxProgress p;
  while (p.taken < n) {
    const uint32_t took = TxFast(q, ring, pool, ids + p.taken, n - p.taken);
    p.taken += took;
    p.sent += took;
    if (took == 0) {
      uint32_t frames = 0;
      const One one = SendOne(q, ring, pool, ids[p.taken], &frames);
      p.sent += frames;
      if (one == One::kStop) break;
      q.counters.errors += one == One::kDropped;
      pool.Free(ids + p.taken++, 1);
    }
    if (ring.pending() >= kBatch) ring.Publish();
  }
  ring.Publish();
  return p;
}

int32_t SectionRepeat(DeviceQueue& q, const uint8_t* head, uint32_t head_bytes, uint32_t length, uint32_t n) {
  SectionRing ring(q);
  const uint32_t hdr_bytes = ring.hdr_bytes();
  if (length > ring.max_frame()) return -1;
  FrameTally tally(q.counters);
  const uint64_t first8 = First8(head, head_bytes);
  uint32_t done = 0;
  for (; done < n && ring.free() > 0; done++) {
    uint8_t* const to = ring.Put(hdr_bytes + length);
    if (!to) break;
    if (hdr_bytes != 0) WritePlainHeader(to, hdr_bytes);
    if (!SameBytes(to + hdr_bytes, head, head_bytes)) CopyPacket(to + hdr_bytes, head, head_bytes);
    tally.Count(first8, length);
    if (ring.pending() >= kBatch) ring.Publish();
  }
  ring.Publish();
  return static_cast<int32_t>(done);
}

}  // namespace vpci
