// SPDX-License-Identifier: BSD-3-Clause
#include "ring/device_rx.h"

#include <algorithm>

#include "ring/chain.h"
#include "ring/copy.h"

namespace vpci {
namespace {

// Packets looked at before the first is copied: enough to hide the latency of the lines that the peer's core
// has just written, few enough for their addresses to stay in the first-level cache.
constexpr uint32_t kBatch = 32;

struct Pending {
  const uint8_t* data;  // packet after the header, or nullptr when the chain has to be walked
  uint32_t len;
};

// The shape that nearly every driver uses for TX: one readable buffer, header and packet together.
inline bool SimplePacket(const DeviceQueue& q, const MbufPool& pool, uint16_t head, Pending* out) {
  VringDesc d = LoadDesc(&q.desc[head]);
  uint32_t len = d.len - q.hdr_bytes;
  if (__builtin_expect(d.flags != 0 || d.len <= q.hdr_bytes || len > pool.data_room(), 0)) return false;
  const uint8_t* p = q.memory->Translate(d.addr, d.len);
  if (__builtin_expect(!p, 0)) return false;
  *out = {p + q.hdr_bytes, len};
  return true;
}

// Appends bytes to a packet in mbufs, taking further segments from the pool as they fill.
class Gather {
 public:
  Gather(MbufPool& pool, uint32_t first) : pool_(pool), first_(first), last_(first) {
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

enum class Slow { kOk, kBad, kNoMbuf };

// Any legal framing: header and data cut anywhere, chained or indirect (VIRTIO 1.2, 2.7.4.2).
__attribute__((noinline)) Slow GatherPacket(DeviceQueue& q, MbufPool& pool, uint16_t head, uint32_t mbuf) {
  ChainWalker chain(q, head);
  Gather gather(pool, mbuf);
  uint32_t skip = q.hdr_bytes;
  Segment s;
  for (;;) {
    WalkResult r = chain.Next(&s);
    if (r == WalkResult::kEnd) break;
    if (r == WalkResult::kBad || s.writable) return Slow::kBad;
    uint32_t hdr = std::min(skip, s.len);
    skip -= hdr;
    // 64 KiB is the largest frame that segmentation offload can make; more than that is an attack on the
    // pool.
    if (pool.pkt_len()[mbuf] + uint64_t{s.len} - hdr > 65550) return Slow::kBad;
    if (!gather.Append(s.base + hdr, s.len - hdr)) return Slow::kNoMbuf;
  }
  return skip == 0 && pool.pkt_len()[mbuf] > 0 ? Slow::kOk : Slow::kBad;
}

// GatherPacket for the first of `*n` mbufs. When it wants for segments because the packets behind it have
// taken theirs already, they give them back and `*n` becomes 1: a large packet must not wait for ever.
__attribute__((noinline)) Slow GatherFirst(DeviceQueue& q, MbufPool& pool, uint16_t head, uint32_t* ids,
                                           uint32_t* n) {
  Slow result = GatherPacket(q, pool, head, *ids);
  if (result != Slow::kNoMbuf || *n == 1) return result;
  pool.Free(ids, *n);
  *n = 1;
  pool.Alloc(ids, 1);
  return GatherPacket(q, pool, head, *ids);
}

uint32_t RxBatch(DeviceQueue& q, MbufPool& pool, uint32_t* ids, uint32_t n) {
  Pending pending[kBatch];
  uint16_t heads[kBatch];
  uint16_t index = q.last_avail_idx;
  for (uint32_t i = 0; i < n; i++) {
    int32_t head = q.Head(static_cast<uint16_t>(index + i));
    if (__builtin_expect(head < 0, 0)) {
      q.Break();
      n = i;
      break;
    }
    heads[i] = static_cast<uint16_t>(head);
    if (__builtin_expect(SimplePacket(q, pool, heads[i], &pending[i]), 1))
      PrefetchRead(pending[i].data);
    else
      pending[i].data = nullptr;
  }
  if (__builtin_expect(n > pool.available(), 0)) {
    q.counters.mbuf_alloc_failed++;
    n = pool.available();
  }
  pool.Alloc(ids, n);
  uint32_t done = 0;
  for (; done < n; done++) {
    uint32_t id = ids[done];
    uint8_t* frame = pool.buffer(id) + pool.headroom();
    if (__builtin_expect(pending[done].data != nullptr, 1)) {
      uint32_t len = pending[done].len;
      CopyPacket(frame, pending[done].data, len);
      pool.data_len()[id] = static_cast<uint16_t>(len);
      pool.pkt_len()[id] = len;
    } else {
      uint32_t left = n - done;
      Slow result = GatherFirst(q, pool, heads[done], ids + done, &left);
      n = done + left;
      id = ids[done];
      frame = pool.buffer(id) + pool.headroom();
      if (result != Slow::kOk) {
        if (result == Slow::kBad)
          q.Break();
        else
          q.counters.mbuf_alloc_failed++;
        break;
      }
    }
    uint64_t first8;
    std::memcpy(&first8, frame, sizeof first8);  // an mbuf has room for at least 64 bytes
    q.counters.CountFrame(first8, pool.pkt_len()[id]);
    StoreUsed(&q.used->ring[(index + done) & q.mask], heads[done], 0);
  }
  if (__builtin_expect(done < n, 0)) pool.Free(ids + done, n - done);
  return done;
}

}  // namespace

uint32_t RxBurst(DeviceQueue& q, MbufPool& pool, uint32_t* ids, uint32_t n) {
  if (!q.Enter()) return 0;
  uint32_t ready = std::min(q.Available(), n);
  uint32_t total = 0;
  while (total < ready) {
    uint32_t want = std::min(ready - total, kBatch);
    uint32_t got = RxBatch(q, pool, ids + total, want);
    if (got) q.Publish(got);
    total += got;
    if (got < want) break;
  }
  q.counters.good_packets += total;
  q.counters.bursts += total != 0;
  q.counters.empty_bursts += total == 0;
  q.Leave();
  return total;
}

uint32_t ReturnBurst(DeviceQueue& q, uint32_t n, uint32_t length) {
  if (!q.Enter()) return 0;
  uint32_t ready = std::min(q.Available(), n);
  uint16_t index = q.last_avail_idx;
  uint32_t done = 0;
  for (; done < ready; done++) {
    int32_t head = q.Head(static_cast<uint16_t>(index + done));
    if (head < 0) {
      q.Break();
      break;
    }
    StoreUsed(&q.used->ring[(index + done) & q.mask], static_cast<uint32_t>(head), length);
  }
  if (done) q.Publish(done);
  q.counters.good_packets += done;
  q.Leave();
  return done;
}

}  // namespace vpci
