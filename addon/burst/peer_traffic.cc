// SPDX-License-Identifier: BSD-3-Clause
#include "burst/peer_traffic.h"

#include <algorithm>

#include "burst/burst.h"
#include "packet/copy.h"
#include "packet/traffic.h"
#include "ring/shared_access.h"

namespace vpci {
namespace {

// Prefetch distance, in frames, for lines that the other core wrote.
constexpr uint32_t kLookAhead = 6;

}  // namespace

bool PeerTraffic::Init(QueueRole role, const DriverQueueSetup& s) {
  if (s.buffer_size < 76) return false;
  if (s.buffers > s.length || uint64_t{s.buffer_size} * s.size > s.length - s.buffers) return false;
  if (!InitRing(role, s)) return false;
  buffers_ = s.base + s.buffers;
  hdr_bytes_ = NetHdrBytes(s.features);
  buffer_size_ = s.buffer_size;
  mergeable_ = HasFeature(s.features, VIRTIO_NET_F_MRG_RXBUF);
  frame_ids_.assign(s.size, 0);
  dressed_.assign(s.size, 0);
  if (role == QueueRole::kRx) OnRing([this](auto& ring) { PostAll(ring); });
  return true;
}

template <class Ring>
void PeerTraffic::PostAll(Ring& ring) {
  const uint32_t count = free_count();
  for (uint32_t i = 0; i < count; i++) ring.Post(TakeFree(), buffer_size_);
  Publish(ring, count);
}

bool PeerTraffic::SetTemplate(const uint8_t* frame, uint32_t len) {
  if (len < kTrafficMinFrame || len > kTrafficMaxFrame || len + hdr_bytes_ > buffer_size_) return false;
  template_.assign(frame, frame + len);
  std::fill_n(template_.begin() + kTrafficSequenceAt, 12, uint8_t{0});
  template_sum_ = WordSum(template_.data() + kTrafficHeaderBytes, len - kTrafficHeaderBytes);
  std::fill(dressed_.begin(), dressed_.end(), uint8_t{0});
  return true;
}

template <class Ring>
uint32_t PeerTraffic::GenerateOn(Ring& ring, uint32_t n) {
  if (failed() || template_.empty()) return 0;
  if (free_count() < n) Reclaim(ring);
  uint32_t count = std::min(n, free_count());
  uint32_t len = static_cast<uint32_t>(template_.size());
  for (uint32_t i = 0; i < count; i++) {
    PrefetchWrite(Buffer(FreeAhead(kLookAhead)) + hdr_bytes_ + kTrafficSequenceAt);
    uint32_t id = TakeFree();
    uint8_t* frame = Buffer(id) + hdr_bytes_;
    if (!dressed_[id]) {
      std::memset(Buffer(id), 0, hdr_bytes_);
      std::memcpy(frame, template_.data(), len);
      dressed_[id] = 1;
    }
    uint64_t sequence = next_sequence_++;
    uint64_t sum = template_sum_ + (sequence & 0xffffffff) + (sequence >> 32);
    uint32_t checksum = FoldSum(sum, len);
    std::memcpy(frame + kTrafficSequenceAt, &sequence, 8);
    std::memcpy(frame + kTrafficChecksumAt, &checksum, 4);
    ring.Post(id, hdr_bytes_ + len);
    // Lets the back-end start while the rest is generated.
    if ((i + 1) % kBatch == 0) ring.Expose();
  }
  Publish(ring, count);
  counters.packets += count;
  counters.bytes += uint64_t{count} * len;
  return count;
}

template <class Ring>
bool PeerTraffic::NextFrame(Ring& ring, Frame* out) {
  const uint8_t* ahead = Buffer(ring.Hint(kLookAhead % ring.size()));
  PrefetchRead(ahead);
  PrefetchRead(ahead + 64);
  UsedBuffer used;
  const Used result = ring.Peek(0, &used);
  if (result == Used::kNone) return false;
  if (result == Used::kNonsense) {
    Fail();
    return false;
  }
  const uint8_t* buffer = Buffer(used.id);
  if (__builtin_expect(used.len <= hdr_bytes_, 0)) {
    frame_ids_[0] = static_cast<uint16_t>(used.id);
    *out = {buffer, 0, 1};
    return true;
  }
  uint16_t num_buffers = 1;
  if (mergeable_) num_buffers = LoadUnalignedOnce(buffer + offsetof(VirtioNetHdr, num_buffers));
  if (num_buffers == 0 || num_buffers > ring.size()) {
    Fail();
    return false;
  }
  if (num_buffers > 1) return GatherFrame(ring, num_buffers, out);
  frame_ids_[0] = static_cast<uint16_t>(used.id);
  *out = {buffer + hdr_bytes_, used.len - hdr_bytes_, 1};
  return true;
}

// All buffers of a frame must be used together (VIRTIO 1.2, 5.1.6.4.1).
template <class Ring>
bool PeerTraffic::GatherFrame(Ring& ring, uint32_t buffers, Frame* out) {
  scratch_.clear();
  for (uint32_t i = 0; i < buffers; i++) {
    UsedBuffer used;
    if (ring.Peek(i, &used) != Used::kBuffer) {
      Fail();
      return false;
    }
    frame_ids_[i] = static_cast<uint16_t>(used.id);
    uint32_t skip = i == 0 ? hdr_bytes_ : 0;
    scratch_.insert(scratch_.end(), Buffer(used.id) + skip, Buffer(used.id) + std::max(skip, used.len));
  }
  *out = {scratch_.data(), static_cast<uint32_t>(scratch_.size()), buffers};
  return true;
}

// Makes the buffers of the frame taken last available again.
template <class Ring>
void PeerTraffic::Repost(Ring& ring, uint32_t entries) {
  ring.Consume(entries);
  for (uint32_t i = 0; i < entries; i++) ring.Post(frame_ids_[i], buffer_size_);
}

void PeerTraffic::CheckReceived(const Frame& frame) {
  FrameCheck check = CheckFrame(frame.data, frame.len);
  if (!check.long_enough) {
    counters.bad_frame++;
    return;
  }
  if (!check.checksum_ok) {
    counters.bad_checksum++;
    return;
  }
  // A gap is a loss, which the totals show; going back is reordering or duplication.
  if (check.sequence < expected_sequence_)
    counters.out_of_sequence++;
  else
    expected_sequence_ = check.sequence + 1;
}

template <class Ring>
uint32_t PeerTraffic::ReceiveOn(Ring& ring, uint32_t n, bool check, double* sequences) {
  if (failed()) return 0;
  uint32_t frames = 0, empty = 0, entries = 0;
  uint64_t bytes = 0;
  Frame frame;
  while (frames + empty < n && NextFrame(ring, &frame)) {
    if (frame.len > 0) {
      if (check) CheckReceived(frame);
      if (sequences) sequences[frames] = SequenceOf(frame.data, frame.len);
      frames++;
    } else {
      empty++;
    }
    Repost(ring, frame.entries);
    entries += frame.entries;
    bytes += frame.len;
  }
  counters.bad_frame += empty;
  Publish(ring, entries);
  counters.packets += frames;
  counters.bytes += bytes;
  return frames;
}

template <class Ring>
void PeerTraffic::SendBack(Ring& ring, PeerTraffic& tx, const Frame& frame) {
  if (frame.len < 14 || frame.len + tx.hdr_bytes_ > tx.buffer_size_) {
    counters.bad_frame++;
    return;
  }
  uint32_t id = tx.TakeFree();
  uint8_t* to = tx.Buffer(id);
  std::memset(to, 0, tx.hdr_bytes_);
  to += tx.hdr_bytes_;
  CopyPacket(to, frame.data, frame.len);
  std::memcpy(to, frame.data + 6, 6);
  std::memcpy(to + 6, frame.data, 6);
  tx.dressed_[id] = 0;
  ring.Post(id, tx.hdr_bytes_ + frame.len);
  tx.counters.packets++;
  tx.counters.bytes += frame.len;
}

template <class Ring>
uint32_t PeerTraffic::EchoOn(Ring& ring, Ring& tx_ring, PeerTraffic& tx, uint32_t n) {
  if (failed() || tx.failed()) return 0;
  if (tx.free_count() < n) tx.Reclaim(tx_ring);
  uint32_t frames = 0, entries = 0;
  const uint64_t sent_before = tx.counters.packets;
  Frame frame;
  while (frames < n && tx.free_count() > 0 && NextFrame(ring, &frame)) {
    SendBack(tx_ring, tx, frame);
    counters.packets += frame.len > 0;
    counters.bytes += frame.len;
    Repost(ring, frame.entries);
    entries += frame.entries;
    frames++;
  }
  Publish(ring, entries);
  tx.Publish(tx_ring, static_cast<uint32_t>(tx.counters.packets - sent_before));
  return frames;
}

uint32_t PeerTraffic::Generate(uint32_t n) {
  return OnRing([&](auto& ring) { return GenerateOn(ring, n); });
}

uint32_t PeerTraffic::Receive(uint32_t n, bool check, double* sequences) {
  return OnRing([&](auto& ring) { return ReceiveOn(ring, n, check, sequences); });
}

uint32_t PeerTraffic::Echo(PeerTraffic& tx, uint32_t n) {
  if (!SameKind(tx)) return 0;
  return OnRings(tx, [&](auto& ring, auto& tx_ring) { return EchoOn(ring, tx_ring, tx, n); });
}

}  // namespace vpci
