// SPDX-License-Identifier: BSD-3-Clause
#include "burst/tap_queue.h"

#include <errno.h>
#include <poll.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "burst/burst.h"
#include "packet/offload.h"
#include "packet/segmenter.h"

namespace vpci {
namespace {

// The largest frame: an IP packet of 64 KiB, the most that segmentation offload makes, behind an Ethernet
// header and two VLAN tags.
constexpr uint32_t kMaxFrame = 65535 + 14 + 8;
// IOV_MAX, less one for the header.
constexpr uint32_t kMaxSegments = 1023;
// A tap delivers every kind of packet that the header can describe; TUNSETOFFLOAD limits what the kernel
// sends.
constexpr uint64_t kAllFeatures = ~uint64_t{0};

iovec HeaderVec(VirtioNetHdr* hdr) { return {hdr, sizeof *hdr}; }

// mbufs for one frame of any size: the kernel truncates what does not fit, so every read offers the whole
// room. What a frame did not need serves the next one; the rest goes back at the end of the burst.
class FrameRoom {
 public:
  // A small pool makes less room: it would otherwise wait forever for more mbufs than exist.
  explicit FrameRoom(MbufPool& pool)
      : pool_(pool),
        count_(std::min({kMaxFrame / pool.data_room() + 1, kMaxSegments, pool.count()})),
        missing_(count_) {
    iov_[0] = HeaderVec(&hdr);
  }
  ~FrameRoom() { pool_.Free(ids_ + missing_, count_ - missing_); }

  VirtioNetHdr hdr;

  // Refills the room; false if the pool lacks mbufs.
  bool Fill() {
    if (!pool_.Alloc(ids_, missing_)) return false;
    for (uint32_t i = 0; i < missing_; i++)
      iov_[i + 1] = {pool_.buffer(ids_[i]) + pool_.headroom(), pool_.data_room()};
    missing_ = 0;
    return true;
  }

  const iovec* iov() const { return iov_; }
  int vectors() const { return static_cast<int>(count_ + 1); }
  // A frame of this length fills the room completely, so it may have been truncated.
  uint32_t bytes() const { return count_ * pool_.data_room(); }
  uint32_t first() const { return ids_[0]; }

  // The first `len` bytes (at least one) as a packet, which the caller now owns.
  uint32_t Take(uint32_t len) {
    const uint32_t room = pool_.data_room();
    const uint32_t used = (len - 1) / room + 1;
    for (uint32_t i = 0; i < used; i++) {
      pool_.data_len()[ids_[i]] = static_cast<uint16_t>(std::min(room, len - i * room));
      pool_.next()[ids_[i]] = i + 1 < used ? ids_[i + 1] : kNoNext;
    }
    missing_ = used;
    return ids_[0];
  }

 private:
  MbufPool& pool_;
  uint32_t count_;
  uint32_t missing_;  // ids_[0..missing_) have been taken
  uint32_t ids_[kMaxSegments];
  iovec iov_[kMaxSegments + 1];
};

// The frame that a read has put into the room: true and its mbuf, or false if it must be dropped.
bool TakeFrame(TapQueue& q, MbufPool& pool, FrameRoom& room, size_t bytes, uint32_t* id) {
  if (bytes < sizeof room.hdr + kMinPacketBytes) {
    q.counters.undersize_errors++;
    return false;
  }
  if (bytes - sizeof room.hdr >= room.bytes()) {
    q.counters.oversize_errors++;
    return false;
  }
  const uint32_t len = static_cast<uint32_t>(bytes - sizeof room.hdr);
  pool.pkt_len()[room.first()] = len;
  if (!TakeOffload(kAllFeatures, room.hdr, pool, room.first())) return false;
  // Unlike a peer, the kernel is trusted when it says that a checksum is good.
  if (pool.ol_flags()[room.first()] == 0 && (room.hdr.flags & VIRTIO_NET_HDR_F_DATA_VALID))
    pool.ol_flags()[room.first()] = MBUF_F_CSUM_VALID;
  *id = room.Take(len);
  q.counters.CountFrame(First8(pool.buffer(*id) + pool.headroom(), len), len);
  return true;
}

// Polling is cheaper than offering room for a frame, when the burst will probably find nothing.
bool SomethingToRead(int fd) {
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, 0) != 0;
}

enum class Sent { kYes, kDropped, kWait };

// The segments of a packet as vectors behind the header's; returns the number of vectors, or 0 if the mbuf
// chain is invalid.
uint32_t Vectors(MbufPool& pool, uint32_t id, iovec* iov, uint32_t* bytes) {
  uint32_t count = 1;
  *bytes = 0;
  for (uint32_t ttl = pool.count(); id != kNoNext; ttl--) {
    if (ttl == 0 || count > kMaxSegments || id >= pool.count()) return 0;
    const uint32_t off = pool.data_off()[id], len = pool.data_len()[id];
    if (off + len > pool.stride() || *bytes + len > kMaxFrame) return 0;
    if (len > 0) iov[count++] = {pool.buffer(id) + off, len};
    *bytes += len;
    id = pool.next()[id];
  }
  return *bytes > 0 ? count : 0;
}

// iov[0] is reserved for the header, iov[1] holds at least the first bytes of the frame.
Sent Write(TapQueue& q, VirtioNetHdr& hdr, iovec* iov, uint32_t count, uint32_t bytes) {
  iov[0] = HeaderVec(&hdr);
  const uint64_t first8 = First8(static_cast<uint8_t*>(iov[1].iov_base), iov[1].iov_len);
  ssize_t result;
  do result = writev(q.fd, iov, static_cast<int>(count));
  while (result < 0 && errno == EINTR);
  // Any other error is final for this packet: the interface is down (EIO), the kernel rejects it (EINVAL).
  if (result < 0) return errno == EAGAIN ? Sent::kWait : Sent::kDropped;
  q.counters.CountFrame(first8, bytes);
  return Sent::kYes;
}

// For packets that an older kernel does not segment (packet/segmenter.h).
Sent WriteCut(TapQueue& q, MbufPool& pool, uint32_t id, uint32_t bytes, iovec* iov, uint32_t* frames) {
  Segmenter segments(pool, id, bytes, true);
  if (!segments.Open()) return Sent::kDropped;
  Sent last = Sent::kYes;
  while (segments.Next()) {
    VirtioNetHdr hdr = segments.header();
    uint32_t count = 1;
    iov[count++] = {const_cast<uint8_t*>(segments.protocol_headers()), segments.header_bytes()};
    segments.EachPayload([&](uint8_t* p, uint32_t n) { iov[count++] = {p, n}; });
    last = Write(q, hdr, iov, count, segments.bytes());
    if (last != Sent::kYes) break;
    segments.Took(false);
  }
  *frames = segments.taken();
  if (last == Sent::kWait) segments.LeaveRest();
  return last;
}

Sent SendFrame(TapQueue& q, MbufPool& pool, uint32_t id, uint32_t* frames) {
  VirtioNetHdr hdr;
  // A segment has its own headers, and may start and end within an mbuf.
  iovec iov[kMaxSegments + 3];
  uint32_t bytes;
  const uint32_t count = Vectors(pool, id, iov, &bytes);
  if (count == 0) return Sent::kDropped;
  const Ready ready = MakeHeader(q.features, pool, id, bytes, &hdr);
  if (ready == Ready::kNever) return Sent::kDropped;
  if (ready == Ready::kCut) return WriteCut(q, pool, id, bytes, iov, frames);
  const Sent sent = Write(q, hdr, iov, count, bytes);
  *frames = sent == Sent::kYes;
  return sent;
}

}  // namespace

uint32_t TapRxBurst(TapQueue& q, MbufPool& pool, uint32_t* ids, uint32_t n) {
  Burst<TapQueue> burst(q);
  if (!burst) return 0;
  uint32_t done = 0;
  if (!q.idle || SomethingToRead(q.fd)) {
    FrameRoom room(pool);
    for (uint32_t tries = 0; tries < n; tries++) {
      if (!room.Fill()) {
        q.counters.mbuf_alloc_failed++;
        break;
      }
      const ssize_t bytes = readv(q.fd, room.iov(), room.vectors());
      if (bytes < 0 && errno == EAGAIN) break;
      if (bytes >= 0 && TakeFrame(q, pool, room, static_cast<size_t>(bytes), &ids[done])) {
        done++;
        continue;
      }
      q.counters.errors++;
      // The interface was deleted.
      if (bytes < 0 && errno == EBADFD) q.state.store(QueueState::kStopped, std::memory_order_relaxed);
      if (bytes < 0) break;
    }
  }
  q.idle = done == 0;
  burst.Count(done);
  return done;
}

uint32_t TapTxBurst(TapQueue& q, MbufPool& pool, const uint32_t* ids, uint32_t n) {
  Burst<TapQueue> burst(q);
  if (!burst) return 0;
  uint32_t taken = 0, sent = 0;
  for (; taken < n; taken++) {
    uint32_t frames = 0;
    const Sent how = SendFrame(q, pool, ids[taken], &frames);
    sent += frames;
    if (how == Sent::kWait) break;
    q.counters.errors += how == Sent::kDropped;
  }
  pool.Free(ids, taken);
  burst.Count(sent);
  return taken;
}

}  // namespace vpci
