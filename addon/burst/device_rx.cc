// SPDX-License-Identifier: BSD-3-Clause
#include "burst/device_rx.h"

#include <algorithm>

#include "burst/announce.h"
#include "burst/burst.h"
#include "burst/single_buffer.h"
#include "packet/copy.h"
#include "packet/offload.h"
#include "ring/chain.h"

namespace vpci {
namespace {

struct Pending {
  const uint8_t* header;
  uint32_t len;  // of the packet, without the header
  uint16_t id;
};

// Takes the offload metadata of a packet that is already in its mbuf; false if its header is invalid.
inline bool TakeHeader(DeviceQueue& q, const uint8_t* header, MbufPool& pool, uint32_t id) {
  const VirtioNetHdr hdr = CopyHeader(header);
  if (__builtin_expect(AsksForNothing(hdr), 1)) {
    pool.ol_flags()[id] = 0;
    return true;
  }
  return TakeOffload(q.features, hdr, pool, id);
}

// Appends bytes to a packet in mbufs, allocating further segments as they fill up.
class Gather {
 public:
  // `first` may be kNoNext if nothing will be appended.
  Gather(MbufPool& pool, uint32_t first) : pool_(pool), first_(first), last_(first) {
    if (first == kNoNext) return;
    pool.data_len()[first] = 0;
    pool.pkt_len()[first] = 0;
  }

  bool Append(const uint8_t* src, uint32_t len) {
    while (len > 0) {
      uint32_t have = pool_.data_len()[last_];
      uint32_t room = pool_.data_room() - have;
      if (room == 0) {
        if (!Grow()) return false;
        continue;
      }
      uint32_t part = std::min(room, len);
      CopyPacket(pool_.buffer(last_) + pool_.headroom() + have, src, part);
      pool_.data_len()[last_] = static_cast<uint16_t>(have + part);
      pool_.pkt_len()[first_] += part;
      src += part;
      len -= part;
    }
    return true;
  }

 private:
  bool Grow() {
    uint32_t id;
    if (!pool_.Alloc(&id, 1)) return false;
    pool_.next()[last_] = id;
    pool_.data_len()[id] = 0;
    last_ = id;
    return true;
  }

  MbufPool& pool_;
  uint32_t first_, last_;
};

// kUnreadable breaks the ring and kNoMbuf waits. The last four are dropped: waiting would not help them.
enum class Gathered { kOk, kUnreadable, kNoMbuf, kWritable, kUndersize, kOversize, kBadHeader };

// Any legal framing: header and data split anywhere, chained or indirect (VIRTIO 1.2, 2.7.4.2). The chain is
// always walked to its end, so that a dropped packet can be returned. `mbuf` is kNoNext if the pool is empty.
Gathered GatherPacket(DeviceQueue& q, MbufPool& pool, ChainWalker& chain, uint32_t mbuf, uint8_t* header) {
  Gather gather(pool, mbuf);
  uint32_t skip = q.hdr_bytes;
  uint64_t bytes = 0;
  bool writable = false, fits = mbuf != kNoNext;
  Segment s;
  for (WalkResult r; (r = chain.Next(&s)) != WalkResult::kEnd;) {
    if (r == WalkResult::kBad) return Gathered::kUnreadable;
    writable |= s.writable;
    bytes += s.len;
    if (writable || !fits || bytes > kMaxPacketBytes + q.hdr_bytes) continue;
    const uint32_t part = std::min(skip, s.len);
    std::memcpy(header + (q.hdr_bytes - skip), s.base, part);
    skip -= part;
    fits = gather.Append(s.base + part, s.len - part);
  }
  if (writable) return Gathered::kWritable;
  if (bytes < kMinPacketBytes + q.hdr_bytes) return Gathered::kUndersize;
  bytes -= q.hdr_bytes;
  if (bytes > kMaxPacketBytes || bytes > pool.capacity()) return Gathered::kOversize;
  return fits ? Gathered::kOk : Gathered::kNoMbuf;
}

void CountDropped(QueueCounters& counters, Gathered why) {
  counters.errors++;
  counters.invalid_buffers += why == Gathered::kWritable;
  counters.undersize_errors += why == Gathered::kUndersize;
  counters.oversize_errors += why == Gathered::kOversize;
}

// First bytes of a packet in an mbuf, which has room for at least 64.
inline uint64_t FirstOf(const uint8_t* packet) { return First8(packet, sizeof(uint64_t)); }

enum class One { kTaken, kDropped, kStop };

// The next packet, whatever its shape. A large one may take all the free mbufs, so it waits only for those
// that the application holds.
template <class Ring, bool kOffload>
__attribute__((noinline)) One RxOne(DeviceQueue& q, Ring& ring, MbufPool& pool, uint32_t* id) {
  ChainWalker chain;
  const Look look = ring.Walk(0, &chain);
  if (look == Look::kNone) return One::kStop;
  if (look == Look::kBad) {
    q.Break();
    return One::kStop;
  }
  // Free ignores an mbuf that does not exist.
  if (!pool.Alloc(id, 1)) *id = kNoNext;
  uint8_t header[sizeof(VirtioNetHdr)];
  Gathered result = GatherPacket(q, pool, chain, *id, header);
  if (Ring::Slots(chain) > ring.Left()) result = Gathered::kUnreadable;
  if (result == Gathered::kUnreadable || result == Gathered::kNoMbuf) {
    pool.Free(id, 1);
    if (result == Gathered::kUnreadable)
      q.Break();
    else
      q.counters.mbuf_alloc_failed++;
    return One::kStop;
  }
  ring.Return(0, chain.id(), 0);
  ring.Advance(Ring::Slots(chain));
  if (result == Gathered::kOk) {
    pool.ol_flags()[*id] = 0;
    if (kOffload && !TakeHeader(q, header, pool, *id)) result = Gathered::kBadHeader;
  }
  if (result == Gathered::kOk) {
    q.counters.CountFrame(FirstOf(pool.buffer(*id) + pool.headroom()), pool.pkt_len()[*id]);
    return One::kTaken;
  }
  CountDropped(q.counters, result);
  pool.Free(id, 1);
  return One::kDropped;
}

// Inspects up to `n` packets in single buffers that fit an mbuf, and prefetches their lines.
template <class Ring, bool kOffload>
inline uint32_t FindPackets(DeviceQueue& q, const Ring& ring, uint32_t n, uint32_t room, Pending* found) {
  SingleBuffers buffers(q);
  const uint32_t hdr_bytes = buffers.hdr_bytes();
  uint32_t count = 0;
  room = std::min(room, kMaxPacketBytes);
  if (__builtin_expect(room < kMinPacketBytes, 0)) return 0;
  for (; count < n; count++) {
    Entry e;
    if (!ring.Peek(count, &e)) break;
    const uint8_t* header = buffers.Readable(e, room);
    const uint32_t len = e.len - hdr_bytes;
    if (__builtin_expect(!header, 0)) break;
    // A header that nobody reads is not fetched: it often has a line of its own.
    if constexpr (kOffload) PrefetchRead(header);
    PrefetchRead(header + hdr_bytes);
    PrefetchRead(header + e.len - 1);
    found[count] = {header, len, e.id};
  }
  return count;
}

// Up to `n` packets of the usual shape; stops at the first of any other shape. The first pass prefetches
// their lines, the second reads them.
template <class Ring, bool kOffload>
inline uint32_t RxFast(DeviceQueue& q, Ring& ring, MbufPool& pool, uint32_t* ids, uint32_t n) {
  Pending found[kBatch];
  n = FindPackets<Ring, kOffload>(q, ring, std::min({n, kBatch, pool.available()}), pool.data_room(), found);
  if (n == 0) return 0;
  pool.Alloc(ids, n);
  FrameTally tally(q.counters);
  const uint32_t hdr_bytes = q.hdr_bytes;
  uint32_t done = 0;
  for (; done < n; done++) {
    const Pending& p = found[done];
    const uint32_t id = ids[done];
    uint8_t* packet = pool.buffer(id) + pool.headroom();
    CopyPacket(packet, p.header + hdr_bytes, p.len);
    pool.data_len()[id] = static_cast<uint16_t>(p.len);
    pool.pkt_len()[id] = p.len;
    if constexpr (kOffload) {
      if (__builtin_expect(!TakeHeader(q, p.header, pool, id), 0)) break;
    } else {
      pool.ol_flags()[id] = 0;
    }
    tally.Count(FirstOf(packet), p.len);
    ring.Return(done, p.id, 0);
  }
  if (__builtin_expect(done < n, 0)) pool.Free(ids + done, n - done);
  GiveBackRead(q, ring, found, done);
  ring.Advance(done);
  return done;
}

template <class Ring, bool kOffload>
__attribute__((noinline)) uint32_t RxOn(DeviceQueue& q, MbufPool& pool, uint32_t* ids, uint32_t n) {
  q.burst.hand_back.Look(q.doorstep(), q.counters.good_packets);
  Ring ring(q);
  uint32_t total = 0;
  // Dropped packets count towards `n` too, which bounds the burst.
  for (uint32_t dropped = 0; total + dropped < n;) {
    const uint32_t got = RxFast<Ring, kOffload>(q, ring, pool, ids + total, n - total - dropped);
    total += got;
    if (got == 0) {
      const One one = RxOne<Ring, kOffload>(q, ring, pool, ids + total);
      if (one == One::kStop) break;
      (one == One::kTaken ? total : dropped)++;
    }
    if (ring.pending() >= kBatch) ring.Publish();
  }
  ring.Publish();
  return total;
}

}  // namespace

uint32_t RxBurst(DeviceQueue& q, MbufPool& pool, uint32_t* ids, uint32_t n) {
  Burst<DeviceQueue> burst(q);
  if (!burst) return 0;
  uint32_t total = 0;
  if (__builtin_expect(q.announce.load(std::memory_order_relaxed) != 0, 0) && n > 0)
    total = TakeAnnouncement(q, pool, ids) ? 1 : 0;
  const bool offload = (q.variant & kVariantOffload) != 0;
  total += OnReadRing(q, [&]<class Ring>() {
    return offload ? RxOn<Ring, true>(q, pool, ids + total, n - total)
                   : RxOn<Ring, false>(q, pool, ids + total, n - total);
  });
  burst.Count(total);
  return total;
}

}  // namespace vpci
