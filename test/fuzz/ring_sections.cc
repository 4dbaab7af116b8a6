// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes both of our ends of a pair of sections with structured input: geometry, what the peer writes, and a
// sequence of steps of peer and application. Every receive burst is compared with an oracle; what we send
// must lie beside all that the peer has not returned.
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/in_place.h"
#include "burst/relay.h"
#include "burst/repeat.h"
#include "guest.h"
#include "header_oracle.h"
#include "input.h"

namespace fuzz {
namespace {

constexpr uint32_t kMaxOps = 200;
constexpr uint32_t kMinPacketBytes = 14, kMaxPacketBytes = 65550;

struct Expected {
  bool legal = false, dropped = false;
  std::vector<uint8_t> bytes;
};

// A frame that the peer has not returned.
struct Sent {
  uint64_t addr;
  uint32_t len;
};

class Session {
 public:
  explicit Session(Input in)
      : in_(in),
        entries_(32u << in_.Below(3)),
        hdr_bytes_(in_.Byte() & 1 ? 12 : 0),
        features_(hdr_bytes_ ? FeaturesOf(in_.Take<uint16_t>()) & ~kRingFeatures : 0),
        used_((18 * entries_ + 6 + 63) & ~63u),
        data_((used_ + 8 * entries_ + 6 + 63) & ~63u),
        size_(data_ + 256 + 64 * in_.Below(200)),
        app_(1 + in_.Below(48), 64u << in_.Below(5)),
        own_(Allocate(size_, 64, 0)),
        peer_(Allocate(size_, 64, 0)) {
    const uint32_t room = ((size_ - data_) & ~63u) - FrameBegin(0, hdr_bytes_) - hdr_bytes_;
    const uint32_t max_frame = kMinPacketBytes + in_.Below(room - kMinPacketBytes + 1);
    setup_ = {{own_.get(), 1, 0}, {peer_.get(), 2, 0}, size_,     entries_, used_, data_,
              hdr_bytes_,         max_frame,           features_, -1};
    tx_.role = QueueRole::kTx;
    rx_.role = QueueRole::kRx;
    Restart(tx_);
    Restart(rx_);
  }
  ~Session() {
    tx_.Quiesce();
    rx_.Quiesce();
  }

  void Run() {
    for (uint32_t ops = 0; ops < kMaxOps && !in_.empty(); ops++) {
      Step();
      app_.Check();
    }
  }

 private:
  static constexpr uint64_t kRingFeatures = uint64_t{1} << VIRTIO_F_RING_PACKED |
                                            uint64_t{1} << VIRTIO_F_IN_ORDER |
                                            uint64_t{1} << VIRTIO_F_RING_INDIRECT_DESC;

  template <typename T>
  static T Load(const uint8_t* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
  }
  template <typename T>
  static void Store(uint8_t* p, T value) {
    std::memcpy(p, &value, sizeof value);
  }
  uint8_t* desc(const Block& section, uint32_t id) const { return section.get() + 16 * id; }
  // Index of a ring at `ring`; the entries follow.
  static uint8_t* idx(uint8_t* ring) { return ring + 2; }
  uint8_t* avail(const Block& section) const { return section.get() + 16 * entries_; }
  uint8_t* used(const Block& section) const { return section.get() + used_; }

  static bool Broken(const DeviceQueue& q) { return q.state.load() == QueueState::kBroken; }
  static std::vector<uint8_t> Copy(const Block& section, uint32_t from, uint32_t to) {
    return {section.get() + from, section.get() + to};
  }

  // Both ends of one ring begin anew.
  void Restart(DeviceQueue& q) {
    q.Quiesce();
    if (&q == &tx_) {
      sent_.clear();
      sent_idx_ = returned_ = 0;
      Store<uint16_t>(idx(used(peer_)), 0);
    } else {
      Store<uint16_t>(idx(avail(peer_)), 0);
      Store<uint16_t>(idx(used(own_)), 0);
      offered_ = 0;
    }
    MUST(q.StartSection(setup_) == StartError::kNone);
  }

  void Step() {
    switch (in_.Byte() % 16) {
      case 0:
      case 1:
        return Offer();
      case 2:
        return Store<uint16_t>(avail(peer_) + 4 + 2 * in_.Below(entries_), in_.Take<uint16_t>());
      case 3:
        return Store<uint16_t>(idx(avail(peer_)), offered_ = in_.Take<uint16_t>());
      case 4:
        return Store<uint8_t>(peer_.get() + in_.Below(size_), in_.Byte());
      case 5:
        return Return(in_.Below(entries_ + 1));
      case 6:
        return Store<uint16_t>(idx(used(peer_)), in_.Take<uint16_t>());
      case 7:
        return app_.FreeAll();
      case 8:
        return Restart(in_.Byte() & 1 ? tx_ : rx_);
      case 9:
        return Arm();
      case 10:
        return InPlace();
      case 11:
        return Relay();
      case 12:
      case 13:
        return Send();
      default:
        return Receive();
    }
  }

  // A descriptor, mostly a good one.
  void Offer() {
    for (uint32_t n = in_.Below(8) + 1; n > 0; n--) {
      const uint32_t id = offered_ % entries_;
      const uint8_t kind = in_.Byte();
      uint64_t addr = data_ + in_.Below(size_ - data_);
      uint32_t len = in_.Below(0x800);
      if (kind < 8) addr = in_.Take<uint64_t>();
      if (kind >= 8 && kind < 16) len = in_.Take<uint32_t>();
      if (kind >= 16 && kind < 220 && addr + len > size_) addr = data_;
      Store<VringDesc>(desc(peer_, id), {addr, len, static_cast<uint16_t>(kind == 255 ? in_.Byte() : 0),
                                         static_cast<uint16_t>(kind)});
      Store<uint16_t>(avail(peer_) + 4 + 2 * id, static_cast<uint16_t>(id));
      Store<uint16_t>(idx(avail(peer_)), ++offered_);
    }
  }

  // In order, as a good peer does.
  void Return(uint32_t n) {
    n = std::min<uint32_t>(n, static_cast<uint16_t>(sent_idx_ - returned_));
    for (; n > 0; n--, returned_++)
      Store<VringUsedElem>(used(peer_) + 4 + 8 * (returned_ % entries_), {returned_ % entries_, 1});
    Store<uint16_t>(idx(used(peer_)), returned_);
  }

  Expected Expect(uint16_t head) const {
    Expected e;
    if (head >= entries_) return e;
    const VringDesc d = Load<VringDesc>(desc(peer_, head));
    if (d.flags != 0 || d.addr < data_ || d.addr >= size_ || d.len > size_ - d.addr) return e;
    e.legal = true;
    const uint64_t most = std::min<uint64_t>(kMaxPacketBytes, app_.pool->capacity());
    e.dropped = d.len < hdr_bytes_ + kMinPacketBytes || d.len > hdr_bytes_ + most;
    if (e.dropped) return e;
    const uint8_t* frame = peer_.get() + d.addr;
    e.bytes.assign(frame + hdr_bytes_, frame + d.len);
    VirtioNetHdr hdr{};
    std::memcpy(&hdr, frame, std::min<uint32_t>(hdr_bytes_, 10));
    e.dropped = !HeaderIsSane(features_, hdr, e.bytes.size());
    return e;
  }

  void Receive() {
    const uint32_t n = in_.Below(65);
    const bool was_broken = Broken(rx_);
    const std::vector<uint8_t> peer = Copy(peer_, 0, size_), rings = Copy(own_, 0, used_),
                               data = Copy(own_, data_, size_);
    const uint16_t first = rx_.last_avail_idx;
    const uint16_t waiting = static_cast<uint16_t>(Load<uint16_t>(idx(avail(peer_))) - first);
    uint32_t ids[64];
    const uint64_t errors = rx_.counters.errors;
    const uint32_t got = RxBurst(rx_, *app_.pool, ids, n);
    MUST(got <= n);
    app_.Hold(ids, got);
    // Only the used ring in our section was written.
    MUST(Copy(peer_, 0, size_) == peer && Copy(own_, 0, used_) == rings && Copy(own_, data_, size_) == data);
    const uint16_t took = static_cast<uint16_t>(rx_.last_avail_idx - first);
    MUST(took <= n);
    if (was_broken || waiting > entries_) {
      MUST(took == 0 && (n == 0 || Broken(rx_) || was_broken));
      return;
    }
    MUST(took <= waiting && Load<uint16_t>(idx(used(own_))) == rx_.last_avail_idx);
    uint32_t delivered = 0;
    for (uint16_t i = 0; i < took; i++) {
      const uint32_t at = static_cast<uint16_t>(first + i) % entries_;
      const uint16_t head = Load<uint16_t>(avail(peer_) + 4 + 2 * at);
      const Expected e = Expect(head);
      MUST(e.legal);
      const VringUsedElem u = Load<VringUsedElem>(used(own_) + 4 + 8 * at);
      MUST(u.id == head && u.len == 1);
      if (!e.dropped) MUST(delivered < got && app_.Bytes(ids[delivered++]) == e.bytes);
    }
    MUST(delivered == got && rx_.counters.errors - errors == took - got);
    if (took == n || took == waiting) return;
    const uint32_t at = static_cast<uint16_t>(first + took) % entries_;
    const Expected next = Expect(Load<uint16_t>(avail(peer_) + 4 + 2 * at));
    MUST(Broken(rx_) == !next.legal);
    // Otherwise the pool was too small.
    MUST(!next.legal || next.bytes.size() > uint64_t{app_.pool->available()} * app_.pool->data_room());
  }

  // Checks what the last burst has added to our section, of which the sent ring says `before` was the index.
  void CheckSent(uint16_t before) {
    const uint16_t now = Load<uint16_t>(idx(avail(own_)));
    const uint16_t added = static_cast<uint16_t>(now - before);
    MUST(added <= entries_ && before == sent_idx_);
    // What the peer has returned is free.
    while (sent_.size() > static_cast<uint16_t>(sent_idx_ - returned_)) sent_.erase(sent_.begin());
    for (uint16_t i = 0; i < added; i++, sent_idx_++) {
      const uint32_t id = Load<uint16_t>(avail(own_) + 4 + 2 * (sent_idx_ % entries_));
      MUST(id < entries_);
      const VringDesc d = Load<VringDesc>(desc(own_, id));
      MUST(d.flags == 0 && d.addr >= data_ && d.addr + d.len <= size_);
      MUST(d.len > hdr_bytes_ && d.len <= hdr_bytes_ + setup_.max_frame);
      for (const Sent& other : sent_) MUST(d.addr >= other.addr + other.len || other.addr >= d.addr + d.len);
      sent_.push_back({d.addr, d.len});
    }
    MUST(sent_.size() <= entries_);
  }

  // Whether the used ring says what a good peer would, so that a burst leaves the queue running.
  bool Sane() const {
    if (Load<uint16_t>(idx(used(peer_))) != returned_) return false;
    for (uint16_t i = 1; i <= entries_ && i <= returned_; i++) {
      const uint32_t at = static_cast<uint16_t>(returned_ - i) % entries_;
      const VringUsedElem u = Load<VringUsedElem>(used(peer_) + 4 + 8 * at);
      if (u.id != at || u.len != 1) return false;
    }
    return true;
  }

  // Calls `burst`, which sends; the peer's section stays as it was.
  template <class Call>
  void Sending(Call call) {
    const bool was_broken = Broken(tx_), sane = Sane();
    const std::vector<uint8_t> peer = Copy(peer_, 0, size_);
    const uint16_t before = Load<uint16_t>(idx(avail(own_)));
    call();
    MUST(Copy(peer_, 0, size_) == peer);
    if (was_broken) MUST(Load<uint16_t>(idx(avail(own_))) == before);
    if (sane) MUST(Broken(tx_) == was_broken);
    // A peer that lies about what it has returned gets no frame over another: then it cannot be told.
    if (sane && !was_broken) CheckSent(before);
    if (!sane || was_broken) Restart(tx_);
  }

  uint32_t MakePacket() {
    const uint32_t bytes = in_.Byte() < 0x80 ? 60 + in_.Below(100) : in_.Below(9000);
    const uint32_t id = app_.Make(bytes, in_.Byte() < 0xc0 ? 0xffff : 1 + in_.Below(300), in_.Byte());
    if (id == kNoNext || in_.Byte() < 0xc0) return id;
    MbufPool& pool = *app_.pool;
    pool.ol_flags()[id] = in_.Byte() & 0x7f;
    pool.csum_start()[id] = in_.Take<uint16_t>();
    pool.csum_offset()[id] = in_.Byte();
    pool.gso_size()[id] = in_.Take<uint16_t>();
    pool.hdr_len()[id] = in_.Take<uint16_t>();
    return id;
  }

  void Send() {
    const uint32_t n = in_.Below(33);
    uint32_t ids[32];
    uint32_t made = 0;
    while (made < n && (ids[made] = MakePacket()) != kNoNext) made++;
    const bool repeats = (in_.Byte() & 7) == 0;
    uint32_t taken = 0;
    Sending([&] {
      if (repeats && made > 0)
        MUST(Repeat(tx_, *app_.pool, ids[0], in_.Below(0x800), in_.Below(100)) >= -1);
      else
        taken = TxBurst(tx_, *app_.pool, ids, made);
    });
    MUST(taken <= made);
    app_.pool->Free(ids + taken, made - taken);
  }

  void InPlace() {
    const uint32_t n = in_.Below(65);
    Sending([&] {
      const uint32_t reserved = Reserve(tx_, n);
      MUST(reserved <= n && reserved <= InPlaceSlots::kMax);
      const InPlaceSlots& slots = tx_.burst.slots;
      for (uint32_t i = 0; i < reserved; i++) {
        MUST(slots.mapping == 1 && slots.room[i] >= std::min(setup_.max_frame, 2048u) &&
             slots.room[i] <= setup_.max_frame);
        std::memset(own_.get() + slots.offset[i], static_cast<int>(i), slots.room[i]);
        tx_.burst.slots.length[i] = in_.Below(setup_.max_frame + 2);
      }
      MUST(Commit(tx_, in_.Below(65)) <= reserved);
    });
    if (in_.Byte() & 1) return;
    const uint32_t shown = Peek(rx_, n);
    MUST(shown <= n);
    MUST(Release(rx_, in_.Below(65)) <= shown);
  }

  void Relay() {
    const uint32_t n = in_.Below(65);
    Sending([&] {
      const int32_t moved = RelayBurst(rx_, tx_, n);
      MUST(moved >= -1 && moved <= static_cast<int32_t>(n));
    });
  }

  void Arm() {
    const uint16_t waiting = static_cast<uint16_t>(Load<uint16_t>(idx(avail(peer_))) - rx_.last_avail_idx);
    const bool runs = !Broken(rx_);
    MUST(rx_.Arm() == !(runs && waiting > 0 && waiting <= entries_));
    if (in_.Byte() & 1) rx_.Disarm();
    tx_.Arm();
    if (in_.Byte() & 1) tx_.Disarm();
  }

  Input in_;
  const uint32_t entries_, hdr_bytes_;
  const uint64_t features_;
  const uint32_t used_, data_, size_;
  Application app_;
  Block own_, peer_;
  SectionSetup setup_{};
  DeviceQueue tx_, rx_;
  // The peer's index of available entries, and of those that it has returned; ours, as far as checked.
  uint16_t offered_ = 0, returned_ = 0, sent_idx_ = 0;
  std::vector<Sent> sent_;
};

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Session(fuzz::Input(data, size)).Run();
  return 0;
}
