// SPDX-License-Identifier: BSD-3-Clause
#include "ring/device_tx.h"

#include <algorithm>

#include "ring/chain.h"
#include "ring/copy.h"

namespace vpci {
namespace {

constexpr uint32_t kBatch = 32;

// What one packet of a batch needs; `dst` is nullptr when it has to take the general road.
struct Pending {
  uint8_t* dst;
  const uint8_t* src;
  uint32_t len;
};

// No offload is negotiated, so the header is zero but for num_buffers (VIRTIO 1.2, 5.1.6.4.1).
inline void WriteHeader(uint8_t* dst, uint32_t hdr_bytes, uint16_t num_buffers) {
  VirtioNetHdr hdr{};
  hdr.num_buffers = num_buffers;
  if (__builtin_expect(hdr_bytes == sizeof hdr, 1))
    std::memcpy(dst, &hdr, sizeof hdr);
  else
    std::memcpy(dst, &hdr, 10);
}

// True when the application's mbuf describes bytes inside its own buffer.
inline bool SegmentIsSane(MbufPool& pool, uint32_t id) {
  return id < pool.count() && uint32_t{pool.data_off()[id]} + pool.data_len()[id] <= pool.stride();
}

// The usual case: a packet in one mbuf and one writable buffer that holds it.
inline bool SimpleBuffer(const DeviceQueue& q, MbufPool& pool, uint16_t head, uint32_t id, Pending* out) {
  if (__builtin_expect(!SegmentIsSane(pool, id) || pool.next()[id] != kNoNext, 0)) return false;
  uint32_t len = pool.data_len()[id];
  VringDesc d = LoadDesc(&q.desc[head]);
  if (__builtin_expect(d.flags != VRING_DESC_F_WRITE || d.len < len + q.hdr_bytes || len == 0, 0))
    return false;
  uint8_t* dst = q.memory->Translate(d.addr, d.len);
  if (__builtin_expect(!dst, 0)) return false;
  *out = {dst, pool.buffer(id) + pool.data_off()[id], len};
  return true;
}

inline uint64_t First8(const uint8_t* frame, uint32_t len) {
  uint64_t first8 = 0;
  std::memcpy(&first8, frame, __builtin_expect(len >= 8, 1) ? 8 : len);
  return first8;
}

// Sum of the segments of a packet, 0 when the chain of mbufs is not sane.
uint32_t PacketBytes(MbufPool& pool, uint32_t id) {
  uint64_t total = 0;
  for (uint32_t ttl = pool.count(); id != kNoNext; id = pool.next()[id], ttl--) {
    if (ttl == 0 || !SegmentIsSane(pool, id)) return 0;
    total += pool.data_len()[id];
  }
  return total <= 65550 ? static_cast<uint32_t>(total) : 0;
}

// Reads a packet out of its segments piece by piece.
class Scatter {
 public:
  Scatter(MbufPool& pool, uint32_t id) : pool_(pool), id_(id) {}

  void CopyTo(uint8_t* dst, uint32_t len) {
    while (len > 0) {
      uint32_t have = pool_.data_len()[id_] - used_;
      if (have == 0) {
        id_ = pool_.next()[id_];
        used_ = 0;
        continue;
      }
      uint32_t part = std::min(have, len);
      CopyPacket(dst, pool_.buffer(id_) + pool_.data_off()[id_] + used_, part);
      used_ += part;
      dst += part;
      len -= part;
    }
  }

 private:
  MbufPool& pool_;
  uint32_t id_;
  uint32_t used_ = 0;
};

enum class Slow { kSent, kWait, kDrop, kBad };

// Any packet into any shape of buffers; with MRG_RXBUF over as many available entries as it takes, all of
// which become visible at once (VIRTIO 1.2, 5.1.6.4.1). Nothing is written until the whole room has been
// found.
class BufferFinder {
 public:
  explicit BufferFinder(DeviceQueue& q) : q_(q) {}

  // Finds room for `need` bytes, header included, from available entry `index` on, of which `ready` may be
  // used.
  Slow Find(uint16_t index, uint32_t ready, uint32_t need) {
    uint32_t room = 0;
    while (room < need) {
      if (entries_ > 0 && !q_.mergeable) return Slow::kDrop;
      if (entries_ == kMaxEntries || entries_ == q_.size()) return Slow::kDrop;
      if (entries_ == ready) return Slow::kWait;
      int32_t head = q_.Head(static_cast<uint16_t>(index + entries_));
      if (head < 0) return Slow::kBad;
      uint32_t bytes = 0;
      ChainWalker chain(q_, static_cast<uint16_t>(head));
      for (;;) {
        Segment s;
        WalkResult r = chain.Next(&s);
        if (r == WalkResult::kEnd) break;
        if (r == WalkResult::kBad || !s.writable) return Slow::kBad;
        if (room + bytes >= need) continue;  // still checked to its end, but not needed
        if (segments_ == kMaxSegments) return Slow::kDrop;
        uint32_t take = std::min(s.len, need - room - bytes);
        segment_[segments_++] = {s.base, take, true};
        bytes += take;
      }
      // The header lies whole in the first entry (VIRTIO 1.2, 5.1.6.3.1).
      if (entries_ == 0 && bytes < q_.hdr_bytes) return Slow::kBad;
      head_[entries_] = static_cast<uint16_t>(head);
      bytes_[entries_++] = bytes;
      room += bytes;
    }
    return Slow::kSent;
  }

  // Header and packet into the segments found.
  void Write(MbufPool& pool, uint32_t mbuf) {
    uint8_t hdr[sizeof(VirtioNetHdr)];
    WriteHeader(hdr, q_.hdr_bytes, static_cast<uint16_t>(entries_));
    uint32_t hdr_done = 0;
    Scatter packet(pool, mbuf);
    for (uint32_t i = 0; i < segments_; i++) {
      uint32_t part = std::min<uint32_t>(q_.hdr_bytes - hdr_done, segment_[i].len);
      std::memcpy(segment_[i].base, hdr + hdr_done, part);
      hdr_done += part;
      packet.CopyTo(segment_[i].base + part, segment_[i].len - part);
    }
  }

  void StoreUsedElems(uint16_t index) {
    for (uint32_t i = 0; i < entries_; i++)
      StoreUsed(&q_.used->ring[(index + i) & q_.mask], head_[i], bytes_[i]);
  }

  uint32_t entries() const { return entries_; }

 private:
  static constexpr uint32_t kMaxEntries = 256;
  static constexpr uint32_t kMaxSegments = 512;
  DeviceQueue& q_;
  uint32_t entries_ = 0;
  uint32_t segments_ = 0;
  uint16_t head_[kMaxEntries];
  uint32_t bytes_[kMaxEntries];
  Segment segment_[kMaxSegments];
};

// `*entries` receives the available entries that the packet took.
__attribute__((noinline)) Slow SendGeneral(DeviceQueue& q, MbufPool& pool, uint32_t id, uint16_t index,
                                           uint32_t ready, uint32_t* entries) {
  uint32_t bytes = PacketBytes(pool, id);
  if (bytes == 0) return Slow::kDrop;
  BufferFinder finder(q);
  Slow result = finder.Find(index, ready, q.hdr_bytes + bytes);
  if (result != Slow::kSent) return result;
  finder.Write(pool, id);
  finder.StoreUsedElems(index);
  *entries = finder.entries();
  uint8_t first[8] = {};
  Scatter(pool, id).CopyTo(first, std::min(bytes, 8u));
  q.counters.CountFrame(First8(first, 8), bytes);
  return result;
}

struct Progress {
  uint32_t packets = 0;  // of the application, taken
  uint32_t sent = 0;     // of those, given to the peer
  uint32_t entries = 0;  // available entries used
};

// One packet by the general road; false when the batch must end here.
bool SendOne(DeviceQueue& q, MbufPool& pool, uint32_t id, uint32_t ready, Progress* p) {
  uint32_t entries = 0;
  uint16_t index = static_cast<uint16_t>(q.last_avail_idx + p->entries);
  switch (SendGeneral(q, pool, id, index, ready - p->entries, &entries)) {
    case Slow::kSent:
      p->entries += entries;
      p->packets++;
      p->sent++;
      return true;
    case Slow::kDrop:
      q.counters.errors++;
      p->packets++;
      return true;
    case Slow::kBad:
      q.Break();
      return false;
    case Slow::kWait:
      return false;
  }
  return false;
}

// Sends ids[0..n) as long as every packet takes the usual road and `ready` entries last; stops before the
// first that does not.
Progress TxFast(DeviceQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n, uint32_t ready) {
  Pending pending[kBatch];
  uint16_t heads[kBatch];
  uint16_t index = q.last_avail_idx;
  uint32_t count = std::min({n, ready, kBatch});
  for (uint32_t i = 0; i < count; i++) {
    int32_t head = q.Head(static_cast<uint16_t>(index + i));
    if (__builtin_expect(head < 0, 0) ||
        __builtin_expect(!SimpleBuffer(q, pool, static_cast<uint16_t>(head), ids[i], &pending[i]), 0)) {
      count = i;
      break;
    }
    heads[i] = static_cast<uint16_t>(head);
    PrefetchWrite(pending[i].dst);
    PrefetchWrite(pending[i].dst + q.hdr_bytes + pending[i].len - 1);
  }
  for (uint32_t i = 0; i < count; i++) {
    const Pending& p = pending[i];
    WriteHeader(p.dst, q.hdr_bytes, 1);
    CopyPacket(p.dst + q.hdr_bytes, p.src, p.len);
    q.counters.CountFrame(First8(p.src, p.len), p.len);
    StoreUsed(&q.used->ring[(index + i) & q.mask], heads[i], p.len + q.hdr_bytes);
  }
  return {count, count, count};
}

Progress TxBatch(DeviceQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n, uint32_t ready) {
  Progress p = TxFast(q, pool, ids, n, ready);
  // The general road takes one packet; the next batch tries the usual road again.
  if (p.packets == 0 && n > 0 && ready > 0) SendOne(q, pool, ids[0], ready, &p);
  return p;
}

}  // namespace

uint32_t TxBurst(DeviceQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n) {
  if (!q.Enter()) return 0;
  uint32_t ready = n ? q.Available() : 0;
  uint32_t taken = 0, sent = 0;
  while (taken < n && ready > 0) {
    Progress p = TxBatch(q, pool, ids + taken, n - taken, ready);
    if (p.packets == 0) break;
    if (p.entries) q.Publish(p.entries);
    pool.Free(ids + taken, p.packets);
    taken += p.packets;
    sent += p.sent;
    ready -= p.entries;
  }
  q.counters.good_packets += sent;
  q.counters.bursts += sent != 0;
  q.counters.empty_bursts += sent == 0;
  q.Leave();
  return taken;
}

}  // namespace vpci
