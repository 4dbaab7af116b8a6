// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes the paths beside the plain bursts - work in place, repeated packets, relays - and their interleaving
// with bursts on the same rings, with a raw image of guest memory as in ring_image.cc.
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/in_place.h"
#include "burst/relay.h"
#include "burst/repeat.h"
#include "image.h"

namespace fuzz {
namespace {

// Buffers may lie here too, so the region may change from one to the next.
constexpr Region kElsewhere{0x8000, 0x1000};
constexpr uint32_t kSteps = 16;
constexpr uint32_t kMost = 64;

// Layout of the two rings when they are to be legal at first, with buffers behind them.
constexpr Layout kLegal[] = {{0, 0x800, 0xa00, 0}, {0x1000, 0x1800, 0x1a00, 0}};
constexpr uint64_t kBuffers = 0x2000;

class Paths {
 public:
  // `legal`: the rings are full of single-buffer entries, each of the length that the input gives. They stay
  // so unless the second thread scribbles, since no buffer overlaps them.
  Paths(Input& in, uint64_t rx_features, uint64_t tx_features, GuestMemory& memory, bool legal, bool scribble)
      : memory_(memory),
        legal_(legal),
        steady_(legal && !scribble),
        app_(8 + in.Below(48), 64u << in.Below(5)) {
    rx_.role = QueueRole::kRx;
    tx_.role = QueueRole::kTx;
    starts_ = Start(in, rx_, rx_features) && Start(in, tx_, tx_features);
    for (uint8_t& length : lengths_) length = in.Byte();
  }

  // After the image, overwriting it.
  void Offer() {
    if (!legal_) return;
    for (DeviceQueue* q : {&rx_, &tx_}) q->is_packed() ? OfferPacked(*q) : OfferSplit(*q);
  }

  bool starts() const { return starts_; }

  void Step(uint8_t what, uint32_t n) {
    const bool rx_broken = Broken(rx_), tx_broken = Broken(tx_);
    const uint16_t rx_at = rx_.last_avail_idx, tx_at = tx_.last_avail_idx;
    Take(what, n);
    // A broken queue stays broken, and is not touched.
    if (rx_broken) MUST(Broken(rx_) && rx_.last_avail_idx == rx_at);
    if (tx_broken) MUST(Broken(tx_) && tx_.last_avail_idx == tx_at);
    MUST(rx_.burst.held == 0 && tx_.burst.held == 0);
    MUST(rx_.busy.load() == 0 && tx_.busy.load() == 0);
    app_.Check();
  }

 private:
  bool Start(Input& in, DeviceQueue& queue, uint64_t features) {
    Layout l = TakeLayout(in);
    uint16_t last = in.Take<uint16_t>();
    if (HasFeature(features, VIRTIO_F_RING_PACKED)) last &= VRING_PACKED_WRAP | 0x3f;
    if (legal_) {
      const uint32_t size = l.size;
      l = kLegal[queue.role == QueueRole::kTx];
      l.size = size;
      last = HasFeature(features, VIRTIO_F_RING_PACKED) ? VRING_PACKED_WRAP : 0;
    }
    return queue.Start({&memory_.table, l.desc, l.avail, l.used, l.size, last, features, -1}) ==
           StartError::kNone;
  }

  // Buffers of both directions share their memory: a peer may do that. Some lie in the other region.
  VringDesc Entry(const DeviceQueue& q, uint32_t i) const {
    const uint32_t length = 8 + lengths_[i % sizeof lengths_];
    const uint64_t at = i % 5 == 4 ? kElsewhere.gpa : kBuffers;
    return {at + 64 * i % 0xe00, length, q.role == QueueRole::kTx ? VRING_DESC_F_WRITE : uint16_t{0}, 0};
  }
  void OfferSplit(DeviceQueue& q) {
    const Layout& l = kLegal[q.role == QueueRole::kTx];
    auto* desc = reinterpret_cast<VringDesc*>(memory_.Find(l.desc));
    auto* avail = reinterpret_cast<VringAvail*>(memory_.Find(l.avail));
    for (uint32_t i = 0; i < q.ring_size; i++) {
      desc[i] = Entry(q, i);
      avail->ring[i] = static_cast<uint16_t>(i);
    }
    avail->idx = static_cast<uint16_t>(q.ring_size);
  }
  void OfferPacked(DeviceQueue& q) {
    auto* slots = reinterpret_cast<VringPackedDesc*>(memory_.Find(kLegal[q.role == QueueRole::kTx].desc));
    for (uint32_t i = 0; i < q.ring_size; i++) {
      const VringDesc d = Entry(q, i);
      slots[i] = {d.addr, d.len, static_cast<uint16_t>(i),
                  static_cast<uint16_t>(d.flags | VRING_PACKED_DESC_F_AVAIL)};
    }
  }

  static bool Broken(const DeviceQueue& q) { return q.state.load() == QueueState::kBroken; }

  void Take(uint8_t what, uint32_t n) {
    switch (what % 6) {
      case 0:
        return ReadInPlace(n, what & 0x80);
      case 1:
        return WriteInPlace(n, what & 0x80);
      case 2:
        return RepeatOne(n, what >> 3);
      case 3: {
        const uint64_t received = rx_.counters.good_bytes, sent = tx_.counters.good_bytes;
        const int32_t moved = RelayBurst(rx_, tx_, n);
        MUST(moved >= -1 && moved <= static_cast<int32_t>(n));
        MUST(rx_.counters.good_bytes - received == tx_.counters.good_bytes - sent);
        return;
      }
      case 4: {
        uint32_t ids[kMost];
        const uint32_t got = RxBurst(rx_, *app_.pool, ids, n);
        MUST(got <= n);
        app_.Hold(ids, got);
        return;
      }
      default: {
        uint32_t ids[kMost], made = 0;
        while (made < n && (ids[made] = app_.Make(60 + made, 2048, 0)) != kNoNext) made++;
        const uint32_t taken = TxBurst(tx_, *app_.pool, ids, made);
        app_.Hold(ids + taken, made - taken);
        app_.FreeAll();
      }
    }
  }

  // Where JavaScript would find the packet.
  uint8_t* At(const DeviceQueue& q, uint32_t slot) {
    MUST(q.burst.slots.window == 0 && q.burst.slots.mapping == 1);
    return memory_.Find(q.burst.slots.offset[slot]);
  }

  void ReadInPlace(uint32_t n, bool all) {
    const uint32_t shown = Peek(rx_, n);
    MUST(shown <= n);
    for (uint32_t i = 0; i < shown; i++) {
      MUST(rx_.burst.slots.length[i] > 0 && rx_.burst.slots.length[i] <= rx_.burst.slots.room[i]);
      volatile uint8_t sum = 0;
      for (uint32_t b = 0; b < rx_.burst.slots.length[i]; b++)
        sum = static_cast<uint8_t>(sum + __atomic_load_n(At(rx_, i) + b, __ATOMIC_RELAXED));
    }
    const uint32_t back = all ? shown : shown / 2;
    MUST(Release(rx_, back) == back);
  }

  void WriteInPlace(uint32_t n, bool lie) {
    const uint32_t reserved = Reserve(tx_, n);
    MUST(reserved <= n);
    uint32_t honest = reserved;
    for (uint32_t i = 0; i < reserved; i++) {
      const uint32_t room = tx_.burst.slots.room[i];
      MUST(room > 0);
      for (uint32_t b = 0; b < room; b++)
        __atomic_store_n(At(tx_, i) + b, static_cast<uint8_t>(i), __ATOMIC_RELAXED);
      tx_.burst.slots.length[i] = room;
    }
    if (lie && reserved > 0) {
      honest = reserved / 2;
      tx_.burst.slots.length[honest] +=
          tx_.burst.slots.room[honest] & 1 ? 1 : 0u - tx_.burst.slots.room[honest];
      tx_.burst.slots.room[honest] = 0xffffffff;
    }
    MUST(Commit(tx_, reserved) == honest);
  }

  void RepeatOne(uint32_t n, uint32_t more) {
    const uint32_t id = app_.Make(1 + 9 * (more & 15), 2048, 0);
    if (id == kNoNext) return;
    const uint32_t length = app_.pool->data_len()[id] + more;
    const uint64_t before = tx_.counters.good_bytes;
    const uint32_t first = tx_.last_avail_idx & ~VRING_PACKED_WRAP;
    const int32_t sent = Repeat(tx_, *app_.pool, id, length, n);
    MUST(sent >= -1 && sent <= static_cast<int32_t>(n));
    MUST(tx_.counters.good_bytes - before == uint64_t{length} * static_cast<uint32_t>(std::max(sent, 0)));
    for (int32_t i = 0; steady_ && i < sent; i++)
      MUST(length + tx_.hdr_bytes <= Entry(tx_, first + static_cast<uint32_t>(i)).len);
    app_.Hold(&id, 1);
    app_.FreeAll();
  }

  GuestMemory& memory_;
  const bool legal_;
  const bool steady_;
  uint8_t lengths_[32];
  Application app_;
  DeviceQueue rx_, tx_;
  bool starts_ = false;
};

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fuzz;
  Input in(data, size);
  const uint64_t rx_features = FeaturesOf(in.Take<uint16_t>()), tx_features = FeaturesOf(in.Take<uint16_t>());
  const uint8_t mode = in.Byte();
  uint8_t what[kSteps], n[kSteps];
  for (uint32_t i = 0; i < kSteps; i++) what[i] = in.Byte();
  for (uint32_t i = 0; i < kSteps; i++) n[i] = in.Byte();
  const uint16_t seed = in.Take<uint16_t>();
  GuestMemory memory({kMemory, kElsewhere});
  Paths paths(in, rx_features, tx_features, memory, mode & 0x40, mode & 0x80);
  FillImage(memory, in);
  if (!paths.starts()) return 0;
  paths.Offer();
  std::optional<Scribbler> scribbler;
  if (mode & 0x80) scribbler.emplace(memory.Find(0), kMemory.size, seed);
  for (uint32_t i = 0; i < kSteps; i++) paths.Step(what[i], n[i] % (kMost + 1));
  return 0;
}
