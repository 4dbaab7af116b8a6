// SPDX-License-Identifier: BSD-3-Clause
#include "ring/device_tx.h"

#include <algorithm>

#include "ring/buffer_finder.h"
#include "ring/copy.h"
#include "ring/offload.h"
#include "ring/packed_ring.h"
#include "ring/single_buffer.h"
#include "ring/split_ring.h"
#include "ring/tx_packet.h"
#include "ring/variant.h"

namespace vpci {
namespace {

constexpr uint32_t kBatch = 32;

struct Pending {
  uint8_t* dst;
  const uint8_t* src;
  uint32_t len;
  uint16_t id;
};

// The usual case: a packet in one mbuf, without metadata, and one writable buffer that holds it.
inline bool SimpleBuffer(DeviceQueue& q, MbufPool& pool, const Entry& e, uint32_t mbuf, Pending* out) {
  if (__builtin_expect(!SegmentIsSane(pool, mbuf) || pool.next()[mbuf] != kNoNext, 0)) return false;
  const uint32_t len = pool.data_len()[mbuf];
  if (__builtin_expect(pool.ol_flags()[mbuf] != 0 || len == 0, 0)) return false;
  uint8_t* dst = WritableBuffer(q, e, len);
  if (__builtin_expect(!dst, 0)) return false;
  *out = {dst, pool.buffer(mbuf) + pool.data_off()[mbuf], len, e.id};
  return true;
}

enum class One { kSent, kDropped, kStop };

// Any packet into any shape of buffers.
template <class Ring>
__attribute__((noinline)) One SendOne(DeviceQueue& q, Ring& ring, MbufPool& pool, uint32_t mbuf) {
  const uint32_t bytes = PacketBytes(pool, mbuf);
  VirtioNetHdr hdr;
  if (bytes == 0 || !MakeHeader(q.features, pool, mbuf, bytes, &hdr)) return One::kDropped;
  BufferFinder<Ring> finder(q, ring);
  switch (finder.Find(q.hdr_bytes + bytes)) {
    case Room::kFound:
      break;
    case Room::kNever:
      return One::kDropped;
    case Room::kBad:
      q.Break();
      return One::kStop;
    case Room::kNotYet:
      return One::kStop;
  }
  hdr.num_buffers = static_cast<uint16_t>(finder.entries());
  uint8_t header[sizeof hdr];
  WriteHeader(header, q.hdr_bytes, hdr);
  uint32_t hdr_done = 0;
  Scatter packet(pool, mbuf);
  finder.Fill([&](uint8_t* base, uint32_t len) {
    const uint32_t part = std::min<uint32_t>(q.hdr_bytes - hdr_done, len);
    std::memcpy(base, header + hdr_done, part);
    hdr_done += part;
    packet.CopyTo(base + part, len - part);
  });
  finder.Return();
  uint8_t first[8] = {};
  Scatter(pool, mbuf).CopyTo(first, std::min(bytes, 8u));
  q.counters.CountFrame(First8(first, 8), bytes);
  return One::kSent;
}

// Sends ids[0..n) as long as every packet takes the usual road and entries last; stops before the first that
// does not.
template <class Ring>
inline uint32_t TxFast(DeviceQueue& q, Ring& ring, MbufPool& pool, const uint32_t* ids, uint32_t n) {
  Pending pending[kBatch];
  n = std::min(n, kBatch);
  uint32_t count = 0;
  for (; count < n; count++) {
    Entry e;
    if (!ring.Peek(count, &e) || !SimpleBuffer(q, pool, e, ids[count], &pending[count])) break;
    PrefetchRead(pending[count].dst);
    PrefetchWrite(pending[count].dst + q.hdr_bytes);
    PrefetchWrite(pending[count].dst + q.hdr_bytes + pending[count].len - 1);
  }
  for (uint32_t i = 0; i < count; i++) {
    const Pending& p = pending[i];
    WritePlainHeader(p.dst, q.hdr_bytes);
    CopyPacket(p.dst + q.hdr_bytes, p.src, p.len);
    q.counters.CountFrame(First8(p.src, p.len), p.len);
    ring.Return(i, p.id, p.len + q.hdr_bytes);
  }
  ring.Advance(count);
  return count;
}

struct Progress {
  uint32_t taken = 0;  // of the application's packets
  uint32_t sent = 0;   // of those, given to the peer
};

template <class Ring>
Progress TxOn(DeviceQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n) {
  Ring ring(q);
  Progress p;
  while (p.taken < n) {
    uint32_t took = TxFast(q, ring, pool, ids + p.taken, n - p.taken);
    p.sent += took;
    if (took == 0) {
      const One one = SendOne(q, ring, pool, ids[p.taken]);
      if (one == One::kStop) break;
      took = 1;
      if (one == One::kSent)
        p.sent++;
      else
        q.counters.errors++;
    }
    pool.Free(ids + p.taken, took);
    p.taken += took;
    if (ring.pending() >= kBatch) ring.Publish();
  }
  ring.Publish();
  return p;
}

}  // namespace

uint32_t TxBurst(DeviceQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n) {
  if (!q.Enter()) return 0;
  // Lengths of receive buffers matter, so each has a used entry of its own, with IN_ORDER too.
  const Progress p = (q.variant & kVariantPacked) ? TxOn<PackedRing<false>>(q, pool, ids, n)
                                                  : TxOn<SplitRing<false>>(q, pool, ids, n);
  q.counters.good_packets += p.sent;
  q.counters.bursts += p.sent != 0;
  q.counters.empty_bursts += p.sent == 0;
  q.Leave();
  return p.taken;
}

}  // namespace vpci
