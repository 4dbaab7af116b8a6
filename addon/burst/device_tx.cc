// SPDX-License-Identifier: BSD-3-Clause
#include "burst/device_tx.h"

#include <algorithm>

#include "burst/buffer_finder.h"
#include "burst/burst.h"
#include "burst/section_tx.h"
#include "burst/single_buffer.h"
#include "packet/copy.h"
#include "packet/offload.h"
#include "packet/segmenter.h"
#include "packet/tx_packet.h"

namespace vpci {
namespace {

// A burst publishes at the latest when kBatch entries are pending; one packet's entries may come on top.
static_assert(kBatch + BufferFinder<PackedRing<false>>::kMaxEntries <= PackedRing<false>::kMaxReturned);

// A packet in one mbuf, without metadata, of at least eight bytes.
inline bool SimplePacket(MbufPool& pool, uint32_t mbuf) {
  return SegmentIsSane(pool, mbuf) && pool.next()[mbuf] == kNoNext && pool.ol_flags()[mbuf] == 0 &&
         pool.data_len()[mbuf] >= sizeof(uint64_t);
}

enum class One { kSent, kDropped, kUnusable, kStop };

// Puts a frame of `bytes` bytes, which `copy` writes in order, into buffers of any shape.
template <class Ring, class Copy>
One Place(DeviceQueue& q, Ring& ring, VirtioNetHdr hdr, uint32_t bytes, Copy copy) {
  BufferFinder<Ring> finder(q, ring);
  switch (finder.Find(q.hdr_bytes + bytes)) {
    case Room::kFound:
      break;
    case Room::kNever:
      return One::kDropped;
    case Room::kUnusable:
      finder.Skip();
      q.counters.invalid_buffers++;
      return One::kUnusable;
    case Room::kUnreadable:
      q.Break();
      return One::kStop;
    case Room::kNotYet:
      return One::kStop;
  }
  hdr.num_buffers = static_cast<uint16_t>(finder.entries());
  uint8_t header[sizeof hdr];
  WriteHeader(header, q.hdr_bytes, hdr);
  uint32_t hdr_done = 0;
  finder.Fill([&](uint8_t* base, uint32_t len) {
    const uint32_t part = std::min<uint32_t>(q.hdr_bytes - hdr_done, len);
    std::memcpy(base, header + hdr_done, part);
    hdr_done += part;
    copy(base + part, len - part);
  });
  finder.Return();
  return One::kSent;
}

// Segments a packet that the peer does not accept whole. If the room runs out on the way, or an unusable
// buffer was skipped, the mbufs keep the rest, and the packet counts as not taken.
template <class Ring>
__attribute__((noinline)) One SendCut(DeviceQueue& q, Ring& ring, MbufPool& pool, uint32_t mbuf,
                                      uint32_t bytes, uint32_t* frames) {
  Segmenter segments(pool, mbuf, bytes, HasFeature(q.features, VIRTIO_NET_F_GUEST_CSUM));
  if (!segments.Open()) return One::kDropped;
  One last = One::kSent;
  while (last == One::kSent && segments.Next()) {
    last = Place(q, ring, segments.header(), segments.bytes(),
                 [&](uint8_t* dst, uint32_t len) { segments.CopyTo(dst, len); });
    if (last != One::kSent) break;
    q.counters.CountFrame(First8(segments.protocol_headers(), sizeof(uint64_t)), segments.bytes());
    segments.Took();
    if (ring.pending() >= kBatch) ring.Publish();
  }
  *frames = segments.taken();
  if (last == One::kStop || last == One::kUnusable) segments.LeaveRest();
  return last;
}

// Any packet into buffers of any shape; `*frames` is the number of frames it became.
template <class Ring>
__attribute__((noinline)) One SendOne(DeviceQueue& q, Ring& ring, MbufPool& pool, uint32_t mbuf,
                                      uint32_t* frames) {
  const uint32_t bytes = PacketBytes(pool, mbuf);
  VirtioNetHdr hdr;
  if (bytes == 0) return One::kDropped;
  const Ready ready = MakeHeader(q.features, pool, mbuf, bytes, &hdr);
  if (ready == Ready::kNever) return One::kDropped;
  if (ready == Ready::kCut) return SendCut(q, ring, pool, mbuf, bytes, frames);
  Scatter packet(pool, mbuf);
  const One one = Place(q, ring, hdr, bytes, [&](uint8_t* dst, uint32_t len) { packet.CopyTo(dst, len); });
  if (one != One::kSent) return one;
  *frames = 1;
  uint8_t first[8] = {};
  Scatter(pool, mbuf).CopyTo(first, std::min(bytes, 8u));
  q.counters.CountFrame(First8(first, 8), bytes);
  return one;
}

// Sends and frees ids[0..n) while each packet is a simple one and fits the next buffer, which is a single
// one; stops at the first that does not. The first pass prefetches the lines, the second writes them.
template <class Ring>
inline uint32_t TxFast(DeviceQueue& q, Ring& ring, MbufPool& pool, const uint32_t* ids, uint32_t n) {
  if (!SimplePacket(pool, ids[0])) return 0;
  MbufPool::Returns returns(pool);
  HeldBuffer found[kBatch];
  n = FindBuffers<true>(q, ring, std::min({n, kBatch, returns.room()}), pool.data_len()[ids[0]], found);
  FrameTally tally(q.counters);
  const uint32_t hdr_bytes = q.hdr_bytes;
  uint32_t done = 0;
  for (; done < n; done++) {
    const uint32_t mbuf = ids[done];
    const HeldBuffer& buffer = found[done];
    if (__builtin_expect(!SimplePacket(pool, mbuf), 0)) break;
    const uint32_t len = pool.data_len()[mbuf];
    if (__builtin_expect(len > buffer.room, 0)) break;
    const uint8_t* src = pool.buffer(mbuf) + pool.data_off()[mbuf];
    WritePlainHeader(buffer.header, hdr_bytes);
    CopyPacket(buffer.header + hdr_bytes, src, len);
    tally.Count(First8(src, sizeof(uint64_t)), len);
    ring.Return(done, buffer.id, len + hdr_bytes);
    returns.Put(mbuf);
  }
  ring.Advance(done);
  return done;
}

template <class Ring>
TxProgress TxOn(DeviceQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n) {
  Ring ring(q);
  TxProgress p;
  // Unusable buffers count towards `n` too, which bounds the burst.
  for (uint32_t unusable = 0; p.taken < n && unusable < n;) {
    uint32_t took = TxFast(q, ring, pool, ids + p.taken, n - p.taken);
    p.sent += took;
    if (took == 0) {
      uint32_t frames = 0;
      const One one = SendOne(q, ring, pool, ids[p.taken], &frames);
      p.sent += frames;
      if (one == One::kStop) break;
      if (one == One::kUnusable) {
        unusable++;
      } else {
        pool.Free(ids + p.taken, 1);
        took = 1;
        q.counters.errors += one == One::kDropped;
      }
    }
    p.taken += took;
    if (ring.pending() >= kBatch) ring.Publish();
  }
  ring.Publish();
  return p;
}

}  // namespace

uint32_t TxBurst(DeviceQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n) {
  Burst<DeviceQueue> burst(q);
  if (!burst) return 0;
  // The lengths of receive buffers matter, so each has its own used entry, with IN_ORDER too.
  const TxProgress p = q.sender ? SectionSend(q, pool, ids, n)
                                : OnRing(q, [&]<class Ring>() { return TxOn<Ring>(q, pool, ids, n); });
  burst.Count(p.sent);
  return p.taken;
}

}  // namespace vpci
