// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes the device role of the ring engine with structured input: features, geometry, descriptors, and a
// list of what peer and application do in turn. Every burst is compared with an oracle.
#include "guest.h"
#include "input.h"
#include "ring/device_rx.h"
#include "ring/device_tx.h"
#include "split_oracle.h"

namespace fuzz {
namespace {

// Rings and room for indirect tables in A; B and C touch for the guest but not in this process.
constexpr Region kA{0x10000, 0x3000}, kB{0x20000, 0x1000}, kC{0x21000, 0x1000};
constexpr uint64_t kDesc = kA.gpa, kAvail = kA.gpa + 0x1000, kUsed = kA.gpa + 0x1400, kFree = kA.gpa + 0x2000;
constexpr uint32_t kMaxLogSize = 7;
constexpr uint32_t kMaxOps = 200;
constexpr uint32_t kMaxPacketBytes = 65550;

class Session {
 public:
  explicit Session(Input in)
      : in_(in),
        features_(FeaturesOf(in_.Byte())),
        role_(in_.Byte() & 1 ? QueueRole::kTx : QueueRole::kRx),
        size_(1u << in_.Below(kMaxLogSize + 1)),
        app_(1 + in_.Below(48), 64u << in_.Below(5)),
        memory_({kA, kB, kC}) {
    queue_.role = role_;
    setup_ = {&memory_.table, kDesc, kAvail, kUsed, size_, in_.Take<uint16_t>(), features_, -1};
    oracle_.emplace(memory_, setup_);
    Store<uint16_t>(kAvail + 2, setup_.last_avail_idx);
    Store<uint16_t>(kUsed + 2, setup_.last_avail_idx);
  }
  ~Session() { queue_.Quiesce(); }

  void Run() {
    for (uint32_t i = 0, n = in_.Below(size_ + 1); i < n; i++) WriteDescriptor(kDesc + uint64_t{16} * i);
    MUST(queue_.Start(setup_) == StartError::kNone);
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

  void WriteDescriptor(uint64_t at) {
    VringDesc d{};
    d.addr = Address();
    d.len = Length();
    d.flags = Flags();
    d.next = static_cast<uint16_t>(in_.Below(size_ + 2));
    Store(at, d);
  }

  void Offer(uint16_t head) {
    uint16_t idx = oracle_->avail_idx();
    Store<uint16_t>(kAvail + 4 + uint64_t{2} * (idx % size_), head);
    Store<uint16_t>(kAvail + 2, static_cast<uint16_t>(idx + 1));
  }

  void Step() {
    switch (in_.Byte() % 12) {
      case 0:
      case 1:
        return Offer(static_cast<uint16_t>(in_.Below(size_ + 1)));
      case 2:
        for (uint32_t head = in_.Below(size_), n = in_.Below(size_ + 1); n > 0; n--, head++)
          Offer(static_cast<uint16_t>(head % size_));
        return;
      case 3:
        return WriteDescriptor(kDesc + uint64_t{16} * in_.Below(size_));
      case 4:
        return WriteDescriptor(kFree + uint64_t{16} * in_.Below(256));
      case 5:
        return Store<uint16_t>(kAvail + 2, in_.Take<uint16_t>());
      case 6:
        return Store<uint8_t>(kA.gpa + in_.Below(kA.size), in_.Byte());
      case 7:
        return app_.FreeAll();
      case 8:
        return Restart();
      default:
        return role_ == QueueRole::kRx ? Receive() : Send();
    }
  }

  void Restart() {
    uint16_t last = queue_.Quiesce();
    if (in_.Byte() & 1) last = in_.Take<uint16_t>();
    setup_.last_avail_idx = last;
    Store<uint16_t>(kUsed + 2, last);
    MUST(queue_.Start(setup_) == StartError::kNone);
  }

  bool broken() const { return queue_.state.load() == QueueState::kBroken; }

  uint16_t ready() const { return static_cast<uint16_t>(oracle_->avail_idx() - queue_.last_avail_idx); }

  // A burst under watch: what holds whatever it found in the ring.
  class Watch {
   public:
    Watch(Session& s, uint32_t asked)
        : s_(s),
          asked_(asked),
          memory_(s.memory_.Snapshot()),
          last_(s.queue_.last_avail_idx),
          ready_(s.ready()),
          broken_(s.broken()),
          mbufs_(s.app_.pool->available()) {}

    // Checks, and gives the number of entries that were used. `buffers`: where the burst may have written
    // beside the used ring; nullptr when the peer's buffers lie over the ring, so that anything in guest
    // memory may have changed.
    uint32_t Entries(const std::vector<OracleSegment>* buffers) const {
      uint16_t entries = static_cast<uint16_t>(s_.queue_.last_avail_idx - last_);
      MUST(entries <= ready_ && entries <= s_.size_);
      if (broken_ || ready_ > s_.size_) {
        MUST((s_.broken() || asked_ == 0) && entries == 0);
        MUST(s_.memory_.Snapshot() == memory_);
      } else if (buffers) {
        CheckWrites(entries, *buffers);
      }
      return entries;
    }
    bool was_broken() const { return broken_; }
    uint32_t mbufs() const { return mbufs_; }
    uint16_t last() const { return last_; }

   private:
    void CheckWrites(uint32_t entries, const std::vector<OracleSegment>& buffers) const {
      std::vector<uint8_t> after = s_.memory_.Snapshot(), expected = memory_;
      const auto allow = [&](const uint8_t* p, size_t n) {
        size_t at = s_.memory_.IndexOf(p);
        std::memcpy(&expected[at], &after[at], n);
      };
      if (entries > 0) allow(s_.memory_.Find(kUsed), 4 + size_t{8} * s_.size_);
      for (const OracleSegment& b : buffers) allow(b.base, b.len);
      MUST(after == expected);
    }

    Session& s_;
    uint32_t asked_;
    std::vector<uint8_t> memory_;
    uint16_t last_, ready_;
    bool broken_;
    uint32_t mbufs_;
  };

  struct Expected {
    OracleChain chain;
    uint32_t head;
    bool legal;
    std::vector<uint8_t> bytes;
  };

  Expected ExpectPacket(uint16_t index) const {
    Expected e{oracle_->Chain(index), oracle_->Head(index), false, {}};
    uint64_t total = 0;
    for (const OracleSegment& s : e.chain.segments) {
      total += s.len;
      if (s.writable || total > kMaxPacketBytes + queue_.hdr_bytes) return e;
      e.bytes.insert(e.bytes.end(), s.base, s.base + s.len);
    }
    e.legal = e.chain.legal && total > queue_.hdr_bytes;
    if (e.legal) e.bytes.erase(e.bytes.begin(), e.bytes.begin() + queue_.hdr_bytes);
    return e;
  }

  void Receive() {
    uint32_t n = in_.Below(65);
    std::vector<Expected> expected;
    for (uint32_t i = 0; i < n && i < ready() && ready() <= size_; i++)
      expected.push_back(ExpectPacket(static_cast<uint16_t>(queue_.last_avail_idx + i)));
    Watch watch(*this, n);
    uint32_t ids[64];
    uint32_t got = RxBurst(queue_, *app_.pool, ids, n);
    MUST(got <= n);
    app_.Hold(ids, got);
    MUST(watch.Entries(&kNoBuffers) == got);
    bool steady = true;
    for (uint32_t i = 0; i < got; i++) {
      steady = steady && !expected[i].chain.unsteady;
      if (!steady) return;
      MUST(expected[i].legal && app_.Bytes(ids[i]) == expected[i].bytes);
      VringUsedElem used = oracle_->Used(static_cast<uint16_t>(watch.last() + i));
      MUST(used.id == expected[i].head && used.len == 0);
    }
    CheckRest(watch, expected, got);
  }

  // Why a burst ended before its end: a broken ring is one that has a bad entry, and only too small a pool is
  // another reason.
  void CheckRest(const Watch& watch, const std::vector<Expected>& expected, uint32_t got) const {
    if (watch.was_broken() || got >= expected.size()) return;
    bool bad = false;
    size_t mbufs = 0;
    for (size_t i = 0; i < expected.size(); i++) {
      if (expected[i].chain.unsteady) return;
      bad |= !expected[i].legal;
      mbufs += 1 + expected[i].bytes.size() / app_.pool->data_room();
    }
    MUST(bad || !broken());
    MUST(broken() || mbufs > watch.mbufs());
  }

  void Send() {
    uint32_t n = in_.Below(33);
    uint32_t ids[32];
    uint32_t made = 0;
    for (; made < n; made++) {
      uint32_t bytes = in_.Byte() < 0x80 ? 60 + in_.Below(100) : in_.Below(9000);
      ids[made] = app_.Make(bytes, in_.Byte() < 0xc0 ? 0xffff : 1 + in_.Below(300), in_.Byte());
      if (ids[made] == kNoNext) break;
    }
    bool over_ring = false;
    std::vector<uint32_t> heads;
    std::vector<OracleSegment> buffers;
    for (uint32_t i = 0; i < ready() && ready() <= size_; i++) {
      uint16_t index = static_cast<uint16_t>(queue_.last_avail_idx + i);
      heads.push_back(oracle_->Head(index));
      for (const OracleSegment& s : oracle_->Chain(index).segments) {
        if (!s.writable) continue;
        // Tables of indirect descriptors may lie anywhere but in B and C.
        over_ring |= oracle_->MeetsRing(s.gpa, s.len) || s.gpa < kB.gpa;
        buffers.push_back(s);
      }
    }
    Watch watch(*this, made);
    uint32_t taken = TxBurst(queue_, *app_.pool, ids, made);
    MUST(taken <= made);
    app_.Hold(ids + taken, made - taken);
    uint32_t entries = watch.Entries(over_ring ? nullptr : &buffers);
    if (watch.was_broken()) MUST(taken == 0);
    for (uint32_t i = 0; i < entries && !over_ring; i++)
      CheckUsed(static_cast<uint16_t>(watch.last() + i), heads[i]);
    app_.Check();
    app_.FreeAll();
  }

  void CheckUsed(uint16_t index, uint32_t head) const {
    VringUsedElem used = oracle_->Used(index);
    OracleChain chain = oracle_->Chain(index);
    uint64_t room = 0;
    for (const OracleSegment& s : chain.segments) room += s.len;
    MUST(used.id == head && chain.legal && used.len <= room);
  }

  static inline const std::vector<OracleSegment> kNoBuffers;

  Input in_;
  uint64_t features_;
  QueueRole role_;
  uint32_t size_;
  Application app_;
  GuestMemory memory_;
  RingSetup setup_{};
  std::optional<SplitOracle> oracle_;
  DeviceQueue queue_;
};

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Session(fuzz::Input(data, size)).Run();
  return 0;
}
