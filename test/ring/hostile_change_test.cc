// SPDX-License-Identifier: BSD-3-Clause
// A hostile peer that changes what it has written, or is merely useless. AddressSanitizer finds memory
// errors; these tests state what else must hold.
#include <thread>

#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

namespace {

constexpr uint64_t kPacked = uint64_t{1} << VIRTIO_F_RING_PACKED;
constexpr uint64_t kEventIdx = uint64_t{1} << VIRTIO_F_RING_EVENT_IDX;
constexpr uint64_t kOffload = uint64_t{1} << VIRTIO_NET_F_CSUM | uint64_t{1} << VIRTIO_NET_F_HOST_TSO4;
constexpr int kRounds = 3000;

// The peer's second thread: calls `change(n)` repeatedly until it goes out of scope.
template <class Change>
class Meanwhile {
 public:
  explicit Meanwhile(Change change)
      : thread_([this, change] {
          for (uint32_t n = 0; !stop_.load(std::memory_order_relaxed); n++) change(n);
        }) {}
  ~Meanwhile() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// One burst in either direction; every mbuf is free again afterwards.
uint32_t Burst(Peer& peer, Pool& pool) {
  uint32_t ids[8];
  uint32_t n;
  if (peer.queue.role == QueueRole::kRx) {
    n = RxBurst(peer.queue, *pool, ids, 8);
    pool->Free(ids, n);
    return n;
  }
  for (int i = 0; i < 8; i++) ids[i] = pool.Make(Bytes(64, i));
  n = TxBurst(peer.queue, *pool, ids, 8);
  pool->Free(ids + n, 8 - n);
  return n;
}

// Restarts the queue at the peer driver's position, as after a reset by the peer.
void Restart(Peer& peer, QueueRole role, uint64_t features) {
  peer.queue.Quiesce();
  const uint16_t idx = LoadOnce(&peer.avail()->idx);
  CHECK(peer.Start(role, features, idx) == StartError::kNone);
}

template <typename T>
void Put(uint8_t* at, T value) {
  __atomic_store_n(reinterpret_cast<T*>(at), value, __ATOMIC_RELAXED);
}

}  // namespace

TEST("H5 a chain that is longer than the ring") {
  for (QueueRole role : {QueueRole::kRx, QueueRole::kTx}) {
    Peer peer(16);
    Pool pool;
    peer.Start(role);
    auto* table = reinterpret_cast<VringDesc*>(peer.at(kGpa + 0x9000));
    const uint16_t write = role == QueueRole::kTx ? VRING_DESC_F_WRITE : 0;
    for (uint16_t i = 0; i < 17; i++)
      table[i] = {kGpa + 0x20000, 8, static_cast<uint16_t>(write | (i < 16 ? VRING_DESC_F_NEXT : 0)),
                  static_cast<uint16_t>(i + 1)};
    peer.desc()[0] = {kGpa + 0x9000, 17 * 16, VRING_DESC_F_INDIRECT, 0};
    peer.Offer(0);
    CHECK(Burst(peer, pool) == 0);
    CHECK(peer.broken());
    CHECK(pool->available() == 64);
  }
}

TEST("H7 a buffer in a hole of the peer's memory, and one that reaches into it") {
  for (const auto& [addr, len] :
       {std::pair<uint64_t, uint32_t>{kGpa + (1 << 20) + 4096, 76}, {kGpa + (1 << 20) - 10, 76}}) {
    Peer peer(16);
    Pool pool;
    std::vector<uint8_t> beyond(4096);
    CHECK(peer.table.Build(
        {{kGpa, peer.bytes(), peer.at(kGpa), 1, 0}, {kGpa + (1 << 20) + 8192, 4096, beyond.data(), 2, 0}}));
    peer.Start(QueueRole::kRx);
    peer.desc()[0] = {addr, len, 0, 0};
    peer.Offer(0);
    CHECK(Burst(peer, pool) == 0);
    CHECK(peer.broken());
  }
}

TEST("H10 a header in pieces of one byte") {
  Peer peer(16);
  Pool pool;
  std::vector<uint32_t> cuts(12, 1);
  cuts.push_back(64);
  peer.Start(QueueRole::kRx);
  peer.OfferPacket(Bytes(64), cuts);
  uint32_t id;
  CHECK(RxBurst(peer.queue, *pool, &id, 1) == 1);
  CHECK(pool.Frame(id) == Bytes(64));

  Peer other(16);
  other.Start(QueueRole::kTx);
  other.OfferBuffers(cuts);
  id = pool.Make(Bytes(64));
  CHECK(TxBurst(other.queue, *pool, &id, 1) == 1);
  CHECK(other.UsedBytes(0, 1).substr(12) == Bytes(64));
}

TEST("H13 descriptors that change between check and copy") {
  for (QueueRole role : {QueueRole::kRx, QueueRole::kTx}) {
    Peer peer(16);
    Pool pool;
    peer.Start(role);
    const uint16_t write = role == QueueRole::kTx ? VRING_DESC_F_WRITE : 0;
    for (uint16_t i = 0; i < 16; i++) peer.desc()[i] = {kGpa + 0x20000, 128, write, 0};
    Meanwhile peers_other_hand([&](uint32_t n) {
      uint8_t* d = reinterpret_cast<uint8_t*>(&peer.desc()[n % 16]);
      const bool good = n & 16;
      Put<uint64_t>(d, good ? kGpa + 0x20000 : ~uint64_t{0} - n);
      Put<uint32_t>(d + 8, good ? 128 : 0xffffffff - n % 200);
      Put<uint16_t>(d + 12, static_cast<uint16_t>(good ? write : n % 8));
      Put<uint16_t>(d + 14, static_cast<uint16_t>(n));
    });
    int broken = 0;
    // The other thread is known to have run once something broke.
    for (int round = 0; round < kRounds || broken == 0; round++) {
      std::this_thread::yield();
      for (uint16_t i = 0; i < 8; i++) peer.Offer(i);
      CHECK(Burst(peer, pool) <= 8);
      if (peer.broken()) broken++;
      Restart(peer, role, Modern());
      CHECK(pool->available() == 64);
    }
  }
}

TEST("H13 packed: slots that change between check and copy") {
  for (QueueRole role : {QueueRole::kRx, QueueRole::kTx}) {
    Peer peer(16);
    Pool pool;
    const uint16_t write = role == QueueRole::kTx ? VRING_DESC_F_WRITE : 0;
    const auto put = [&](uint32_t slot, uint64_t addr, uint32_t len, uint16_t id, uint16_t flags) {
      uint8_t* d = reinterpret_cast<uint8_t*>(&peer.slots()[slot]);
      Put<uint64_t>(d, addr);
      Put<uint32_t>(d + 8, len);
      Put<uint16_t>(d + 12, id);
      Put<uint16_t>(d + 14, static_cast<uint16_t>(flags | VRING_PACKED_DESC_F_AVAIL));
    };
    Meanwhile peers_other_hand([&](uint32_t n) {
      const uint16_t id = static_cast<uint16_t>(n);
      if (n & 16)
        put(n % 16, kGpa + 0x20000, 128, id, write);
      else
        put(n % 16, ~uint64_t{0} - n, 0xffffffff - n % 200, id, n % 8);
    });
    int broken = 0;
    for (int round = 0; round < kRounds || broken == 0; round++) {
      std::this_thread::yield();
      for (uint16_t i = 0; i < 16; i++) put(i, kGpa + 0x20000, 128, i, write);
      CHECK(peer.Start(role, Modern() | kPacked, VRING_PACKED_WRAP) == StartError::kNone);
      CHECK(Burst(peer, pool) <= 8);
      if (peer.broken()) broken++;
      peer.queue.Quiesce();
      CHECK(pool->available() == 64);
    }
  }
}

TEST("H14 a header that changes while it is taken: what the application gets is sane") {
  Peer peer(16);
  Pool pool;
  peer.Start(QueueRole::kRx, Modern() | kOffload);
  peer.desc()[0] = {kGpa + 0x20000, 76, 0, 0};
  uint8_t* header = peer.at(kGpa + 0x20000);
  Meanwhile peers_other_hand([&](uint32_t n) {
    const bool good = n & 1;
    header[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    header[1] = n & 2 ? VIRTIO_NET_HDR_GSO_TCPV4 : static_cast<uint8_t>(n >> 2);
    Put<uint16_t>(header + 4, good ? 1000 : 0);
    Put<uint16_t>(header + 6, static_cast<uint16_t>(good ? 34 : 65000 + n % 500));
    Put<uint16_t>(header + 8, static_cast<uint16_t>(good ? 16 : 65535 - n % 20));
  });
  for (int round = 0; round < kRounds; round++) {
    peer.Offer(0);
    uint32_t id;
    if (RxBurst(peer.queue, *pool, &id, 1) == 0) continue;
    const uint16_t flags = pool->ol_flags()[id];
    if (flags & MBUF_F_NEEDS_CSUM)
      CHECK(uint32_t{pool->csum_start()[id]} + pool->csum_offset()[id] + 2 <= pool->pkt_len()[id]);
    if (flags & MBUF_F_GSO) CHECK(pool->gso_size()[id] != 0 && pool->hdr_len()[id] <= pool->pkt_len()[id]);
    pool->Free(&id, 1);
  }
  CHECK(!peer.broken());
  CHECK(pool->available() == 64);
}

TEST("H17 a driver that writes over the used ring and its own event words") {
  for (uint64_t features :
       {Modern(), Modern() | kEventIdx, Modern() | kPacked, Modern() | kPacked | kEventIdx}) {
    const bool packed = features & kPacked;
    Peer peer(16);
    Pool pool;
    peer.Start(QueueRole::kRx, features, packed ? VRING_PACKED_WRAP : 0);
    for (uint16_t i = 0; i < 12; i++) {
      std::vector<uint64_t> gpas;
      const VringDesc d{peer.Allocate(76), 76, 0, 0};
      if (packed)
        peer.slots()[i] = {d.addr, d.len, i, VRING_PACKED_DESC_F_AVAIL};
      else
        peer.desc()[i] = d;
      if (!packed) peer.Offer(i);
      std::memset(peer.at(peer.used_gpa()), 0xa5 + i, 4 + 8 * 16 + 2);
      if (packed) {
        // Flags of 3 are reserved (VIRTIO 1.2, 2.8.14).
        *peer.driver_event() = {static_cast<uint16_t>(0xffff - i), static_cast<uint16_t>(i & 3)};
      } else {
        peer.avail()->ring[16] = static_cast<uint16_t>(i * 9999);
      }
      uint32_t id;
      CHECK(RxBurst(peer.queue, *pool, &id, 1) == 1);
      pool->Free(&id, 1);
    }
    CHECK(!peer.broken());
    CHECK(pool->available() == 64);
  }
}

TEST("H19 rings that lie over each other and over the buffers hurt the peer only") {
  for (QueueRole role : {QueueRole::kRx, QueueRole::kTx}) {
    for (uint64_t features : {Modern(), Modern() | kPacked}) {
      Peer peer(16);
      Pool pool;
      for (uint32_t i = 0; i < 64; i++) {
        uint8_t* memory = peer.at(kGpa);
        for (uint32_t at = 0; at < 512; at++) memory[at] = static_cast<uint8_t>(at * 37 + i * 101);
        for (uint16_t d = 0; d < 16; d++) {
          Put<uint64_t>(memory + 16 * d, kGpa + (d + i) % 256);
          Put<uint32_t>(memory + 16 * d + 8, 76 + i);
        }
        peer.queue.role = role;
        const uint16_t last =
            features & kPacked ? VRING_PACKED_WRAP : LoadOnce(reinterpret_cast<uint16_t*>(memory + 2));
        CHECK(peer.queue.Start({&peer.table, kGpa, kGpa, kGpa, 16,
                                static_cast<uint16_t>(last - i % 16 * !(features & kPacked)), features,
                                -1}) == StartError::kNone);
        CHECK(Burst(peer, pool) <= 8);
        CHECK(Burst(peer, pool) <= 8);
        CHECK(pool->available() == 64);
        peer.queue.Quiesce();
      }
    }
  }
}

TEST("H20 a peer that never posts buffers, or never takes used ones back, holds up nobody else") {
  Peer useless, busy(64);
  Pool pool;
  useless.Start(QueueRole::kTx);
  busy.Start(QueueRole::kTx);
  for (int i = 0; i < 32; i++) busy.OfferBuffers({128});
  for (int i = 0; i < 32; i++) {
    uint32_t id = pool.Make(Bytes(64, i));
    CHECK(TxBurst(useless.queue, *pool, &id, 1) == 0);
    CHECK(TxBurst(busy.queue, *pool, &id, 1) == 1);
  }
  CHECK(busy.used()->idx == 32);
  CHECK(!useless.broken());
  CHECK(pool->available() == 64);
}

TEST("packed: buffers and tables are translated whole, empty ones too") {
  const uint64_t end = kGpa + (1 << 20);
  const VringPackedDesc bad[] = {{end - 10, 76, 0, 0},
                                 {0, 0, 0, 0},
                                 {~uint64_t{0} - 10, 76, 0, 0},
                                 {end - 16, 32, 0, VRING_DESC_F_INDIRECT},
                                 {kGpa + 0x9000, 0, 0, VRING_DESC_F_INDIRECT}};
  for (QueueRole role : {QueueRole::kRx, QueueRole::kTx}) {
    for (VringPackedDesc d : bad) {
      Peer peer(16);
      Pool pool;
      peer.Start(role, Modern() | kPacked, VRING_PACKED_WRAP);
      const uint16_t write = role == QueueRole::kTx ? VRING_DESC_F_WRITE : 0;
      d.flags = static_cast<uint16_t>(d.flags | write | VRING_PACKED_DESC_F_AVAIL);
      peer.slots()[0] = d;
      CHECK(Burst(peer, pool) == 0);
      CHECK(peer.broken());
      CHECK(pool->available() == 64);
    }
  }
}
