// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes the device role of the ring engine with structured input: features, geometry, descriptors, and a
// sequence of steps of peer and application. Every burst is compared with an oracle.
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "guest.h"
#include "header_oracle.h"
#include "input.h"
#include "ring_oracle.h"

namespace fuzz {
namespace {

// Rings and room for indirect tables in A; B and C are adjacent for the guest but not in this process.
constexpr Region kA{0x10000, 0x3000}, kB{0x20000, 0x1000}, kC{0x21000, 0x1000};
constexpr uint64_t kDesc = kA.gpa, kAvail = kA.gpa + 0x1000, kUsed = kA.gpa + 0x1400, kFree = kA.gpa + 0x2000;
constexpr uint32_t kMaxSize = 128;
constexpr uint32_t kMaxOps = 200;
constexpr uint32_t kMinPacketBytes = 14, kMaxPacketBytes = 65550;

class Session {
 public:
  explicit Session(Input in)
      : in_(in),
        features_(FeaturesOf(in_.Take<uint16_t>())),
        packed_(HasFeature(features_, VIRTIO_F_RING_PACKED)),
        role_(in_.Byte() & 1 ? QueueRole::kTx : QueueRole::kRx),
        size_(1 + in_.Below(kMaxSize)),
        app_(1 + in_.Below(48), 64u << in_.Below(5)),
        memory_({kA, kB, kC}) {
    if (!packed_) size_ = std::bit_floor(size_);
    queue_.role = role_;
    setup_ = {&memory_.table, kDesc, kAvail, kUsed, size_, 0, features_, -1};
    oracle_.emplace(memory_, setup_, role_);
  }
  ~Session() { queue_.Quiesce(); }

  void Run() {
    StartAt(in_.Take<uint16_t>());
    for (uint32_t i = 0, n = in_.Below(size_ + 1); i < n; i++) WriteTemplate(i);
    for (uint32_t ops = 0; ops < kMaxOps && !in_.empty(); ops++) {
      Step();
      app_.Check();
    }
  }

 private:
  template <typename T>
  void Store(uint64_t gpa, T value) {
    if (uint8_t* p = memory_.Find(gpa, sizeof value)) std::memcpy(p, &value, sizeof value);
  }

  uint64_t Address() {
    uint8_t kind = in_.Byte() % 8;
    switch (kind) {
      case 0:
      case 1:
        return kB.gpa + in_.Below(kB.size);
      case 2:
        return kC.gpa + in_.Below(kC.size);
      case 3:
        return kFree + uint64_t{16} * in_.Below(256);
      case 4:
        return kA.gpa + in_.Below(kA.size);
      case 5:
        return kA.gpa + kA.size - in_.Byte();
      case 6:
        return kC.gpa - in_.Byte();
      default:
        return in_.Take<uint64_t>();
    }
  }

  uint32_t Length() {
    switch (in_.Byte() % 4) {
      case 0:
        return in_.Byte();
      case 1:
        return in_.Below(0x1800);
      case 2:
        return 16 * in_.Below(20);
      default:
        return in_.Take<uint32_t>();
    }
  }

  // Mostly what a peer of this direction would write.
  uint16_t Flags() {
    uint8_t bits = in_.Byte();
    uint16_t usual = role_ == QueueRole::kTx ? VRING_DESC_F_WRITE : 0;
    if (bits < 0x80) return usual;
    if (bits < 0xc0) return static_cast<uint16_t>(usual | VRING_DESC_F_NEXT);
    return bits & 0x0f;
  }

  VringDesc Descriptor() {
    VringDesc d{};
    d.addr = Address();
    d.len = Length();
    d.flags = Flags();
    d.next = static_cast<uint16_t>(in_.Below(size_ + 2));
    return d;
  }

  // Descriptor `i` as the driver would make it available: in a split ring it stays in the table, in a packed
  // ring it is written into the next slot.
  void WriteTemplate(uint32_t i) {
    templates_[i] = Descriptor();
    if (!packed_) Store(kDesc + uint64_t{16} * i, templates_[i]);
  }

  void Offer(uint32_t head) {
    if (packed_) {
      const VringDesc d = templates_[head % kMaxSize];
      const uint16_t available = driver_wrap_ ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED;
      Store(kDesc + uint64_t{16} * driver_at_,
            VringPackedDesc{d.addr, d.len, d.next, static_cast<uint16_t>(d.flags | available)});
      if (++driver_at_ == size_) {
        driver_at_ = 0;
        driver_wrap_ = !driver_wrap_;
      }
      return;
    }
    Store<uint16_t>(kAvail + 4 + uint64_t{2} * (driver_at_ % size_), static_cast<uint16_t>(head));
    driver_at_ = static_cast<uint16_t>(driver_at_ + 1);
    Store<uint16_t>(kAvail + 2, static_cast<uint16_t>(driver_at_));
  }

  void Step() {
    switch (in_.Byte() % 14) {
      case 0:
      case 1:
        return Offer(in_.Below(size_ + 1));
      case 2:
        for (uint32_t head = in_.Below(size_), n = in_.Below(size_ + 1); n > 0; n--, head++)
          Offer(head % size_);
        return;
      case 3:
        return WriteTemplate(in_.Below(size_));
      case 4:
        return Store(kFree + uint64_t{16} * in_.Below(256), Descriptor());
      case 5:
        if (packed_)
          return Store<uint16_t>(kDesc + uint64_t{16} * in_.Below(size_) + 14, in_.Take<uint16_t>());
        driver_at_ = in_.Take<uint16_t>();
        return Store<uint16_t>(kAvail + 2, static_cast<uint16_t>(driver_at_));
      case 6:
        return Store<uint8_t>(kA.gpa + in_.Below(kA.size), in_.Byte());
      case 7:
        return app_.FreeAll();
      case 8:
        return Restart();
      case 9:
        return Arm();
      default:
        return role_ == QueueRole::kRx ? Receive() : Send();
    }
  }

  // Starts the driver's end of the ring at the same position.
  void StartAt(uint16_t position) {
    if (packed_) {
      driver_at_ = (position & 0x7fff) % size_;
      driver_wrap_ = position & VRING_PACKED_WRAP;
      position = static_cast<uint16_t>(driver_at_ | (driver_wrap_ ? VRING_PACKED_WRAP : 0));
    } else {
      driver_at_ = position;
      Store<uint16_t>(kAvail + 2, position);
      Store<uint16_t>(kUsed + 2, position);
    }
    setup_.last_avail_idx = position;
    MUST(queue_.Start(setup_) == StartError::kNone);
  }

  void Restart() {
    uint16_t position = queue_.Quiesce();
    if (in_.Byte() & 1) position = in_.Take<uint16_t>();
    StartAt(position);
  }

  void Arm() {
    const bool runs = queue_.state.load() == QueueState::kRunning;
    const bool work = runs && !oracle_->Waiting(queue_.last_avail_idx).empty();
    const bool overrun = runs && oracle_->Overrun(queue_.last_avail_idx);
    MUST(queue_.Arm() == !work);
    MUST(!overrun || broken());
    if (in_.Byte() & 1) queue_.Disarm();
  }

  bool broken() const { return queue_.state.load() == QueueState::kBroken; }

  // Observes one burst: the invariants that hold whatever it found in the ring.
  class Watch {
   public:
    Watch(Session& s, uint32_t asked)
        : waiting(s.oracle_->Waiting(s.queue_.last_avail_idx)),
          position(s.queue_.last_avail_idx),
          was_broken(s.broken()),
          mbufs(s.app_.pool->available()),
          s_(s),
          asked_(asked),
          memory_(s.memory_.Snapshot()),
          overrun_(s.oracle_->Overrun(position)) {}

    // Checks, and returns the number of entries that were used. `buffers`: where the burst may have written
    // besides the ring; nullptr if the peer's buffers overlap what decides the result, so that anything in
    // guest memory may have changed.
    size_t Used(const std::vector<OracleSegment>* buffers) const {
      const uint32_t slots = s_.oracle_->Distance(position, s_.queue_.last_avail_idx);
      if (was_broken || overrun_) {
        MUST(slots == 0 && (s_.broken() || asked_ == 0));
        MUST(s_.memory_.Snapshot() == memory_);
        return 0;
      }
      MUST(slots <= s_.size_);
      if (!buffers) return 0;
      CheckWrites(slots, *buffers);
      return Entries(slots);
    }

    const std::vector<OracleEntry> waiting;
    const uint16_t position;
    const bool was_broken;
    const uint32_t mbufs;

   private:
    // Used entries are complete ones that were pending.
    size_t Entries(uint32_t slots) const {
      uint32_t sum = 0;
      for (size_t i = 0; i <= waiting.size(); sum += waiting[i++].slots) {
        if (sum == slots) return i;
        MUST(i < waiting.size());
      }
      return 0;
    }

    void CheckWrites(uint32_t slots, const std::vector<OracleSegment>& buffers) const {
      std::vector<uint8_t> after = s_.memory_.Snapshot(), expected = memory_;
      const auto allow = [&](const uint8_t* p, size_t n) {
        size_t at = s_.memory_.IndexOf(p);
        std::memcpy(&expected[at], &after[at], n);
      };
      const Region area = s_.oracle_->UsedArea();
      if (slots > 0) allow(s_.memory_.Find(area.gpa), area.size);
      for (const OracleSegment& b : buffers) allow(b.base, b.len);
      MUST(after == expected);
    }

    Session& s_;
    uint32_t asked_;
    std::vector<uint8_t> memory_;
    bool overrun_;
  };

  struct Expected {
    bool legal = false;
    // It is returned to the peer and counted; otherwise its bytes are delivered.
    bool dropped = false;
    // mbufs that a deliverable packet takes from the pool.
    uint64_t mbufs = 0;
    std::vector<uint8_t> bytes;
  };

  Expected ExpectPacket(const OracleEntry& entry) const {
    Expected e;
    e.legal = entry.legal;
    if (!e.legal) return e;
    const uint64_t all = entry.bytes(), least = queue_.hdr_bytes + kMinPacketBytes;
    const uint64_t most = std::min<uint64_t>(kMaxPacketBytes, app_.pool->capacity());
    e.dropped = entry.HasWritable(true) || all < least || all > queue_.hdr_bytes + most;
    if (e.dropped) return e;
    for (const OracleSegment& s : entry.segments) e.bytes.insert(e.bytes.end(), s.base, s.base + s.len);
    VirtioNetHdr hdr;
    std::memcpy(&hdr, e.bytes.data(), 10);
    e.bytes.erase(e.bytes.begin(), e.bytes.begin() + queue_.hdr_bytes);
    e.dropped = !HeaderIsSane(features_, hdr, e.bytes.size());
    e.mbufs = (e.bytes.size() - 1) / app_.pool->data_room() + 1;
    return e;
  }

  void Receive() {
    const uint32_t n = in_.Below(65);
    const Watch watch(*this, n);
    std::vector<Expected> expected;
    for (size_t i = 0; i < n && i < watch.waiting.size(); i++) {
      // From here on the result is unpredictable.
      if (watch.waiting[i].unsteady) return ReceiveUnsteady(n);
      expected.push_back(ExpectPacket(watch.waiting[i]));
    }
    uint32_t ids[64];
    const uint64_t errors = queue_.counters.errors;
    const uint32_t got = RxBurst(queue_, *app_.pool, ids, n);
    MUST(got <= n);
    app_.Hold(ids, got);
    const size_t used = watch.Used(&kNoBuffers);
    MUST(used <= expected.size());
    uint32_t delivered = 0, slots = 0;
    for (size_t i = 0; i < used; i++) {
      MUST(expected[i].legal);
      if (!expected[i].dropped) MUST(delivered < got && app_.Bytes(ids[delivered++]) == expected[i].bytes);
      if (!HasFeature(features_, VIRTIO_F_IN_ORDER)) CheckUsed(watch, slots, watch.waiting[i], 0);
      slots += watch.waiting[i].slots;
    }
    MUST(delivered == got);
    MUST(queue_.counters.errors - errors == used - delivered);
    if (!watch.was_broken) CheckRest(expected, used, watch.mbufs);
  }

  void ReceiveUnsteady(uint32_t n) {
    uint32_t ids[64];
    const uint32_t got = RxBurst(queue_, *app_.pool, ids, n);
    MUST(got <= n);
    app_.Hold(ids, got);
  }

  // Why a burst ended early: a broken ring has a bad entry; the only other reason is too small a pool.
  void CheckRest(const std::vector<Expected>& expected, size_t used, uint32_t mbufs) const {
    if (used == expected.size()) return;
    bool bad = false;
    uint64_t needed = 0;
    for (const Expected& e : expected) {
      bad |= !e.legal;
      needed += e.mbufs;
    }
    MUST(bad || !broken());
    MUST(broken() || needed > mbufs);
  }

  void CheckUsed(const Watch& watch, uint32_t slots, const OracleEntry& entry, uint64_t most) const {
    const auto used = oracle_->Used(watch.position, slots);
    MUST(used && used->id == entry.id && used->len <= most);
  }

  // A packet of the application with metadata of any kind.
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
    const Watch watch(*this, made);
    bool over_ring = false;
    std::vector<OracleSegment> buffers;
    for (const OracleEntry& e : watch.waiting) {
      // An entry with a read-only buffer goes back unchanged.
      if (e.HasWritable(false)) continue;
      for (const OracleSegment& s : e.segments) {
        // The rings lie in A, and so do indirect tables unless the peer is malicious.
        over_ring |= s.gpa < kB.gpa || e.table_gpa >= kB.gpa;
        buffers.push_back(s);
      }
    }
    const uint32_t taken = TxBurst(queue_, *app_.pool, ids, made);
    MUST(taken <= made);
    app_.Hold(ids + taken, made - taken);
    const size_t used = watch.Used(over_ring ? nullptr : &buffers);
    if (watch.was_broken) MUST(taken == 0);
    uint32_t slots = 0;
    for (size_t i = 0; i < used && !over_ring; i++) {
      const OracleEntry& entry = watch.waiting[i];
      MUST(entry.legal);
      CheckUsed(watch, slots, entry, entry.HasWritable(false) ? 0 : entry.bytes());
      slots += entry.slots;
    }
    app_.Check();
    app_.FreeAll();
  }

  static inline const std::vector<OracleSegment> kNoBuffers;

  Input in_;
  uint64_t features_;
  bool packed_;
  QueueRole role_;
  uint32_t size_;
  Application app_;
  GuestMemory memory_;
  RingSetup setup_{};
  std::optional<RingOracle> oracle_;
  DeviceQueue queue_;
  VringDesc templates_[kMaxSize] = {};
  uint32_t driver_at_ = 0;
  bool driver_wrap_ = true;
};

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Session(fuzz::Input(data, size)).Run();
  return 0;
}
