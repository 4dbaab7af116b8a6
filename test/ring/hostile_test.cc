// SPDX-License-Identifier: BSD-3-Clause
// What a hostile peer tries through the rings. Whatever makes a ring unreadable must stop that queue, be
// counted, and affect nothing else (harmless_test.cc covers what leaves it readable). The peer's memory ends
// where the allocation ends, so AddressSanitizer detects the first byte beyond it.
#include <functional>

#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

namespace {

// Runs one RX burst (and one TX burst) over a ring that `poison` has corrupted; `good` packets precede the
// poison.
void ExpectBroken(QueueRole role, const std::function<void(Peer&)>& poison) {
  Peer peer;
  Pool pool;
  CHECK(peer.Start(role) == StartError::kNone);
  if (role == QueueRole::kRx)
    peer.OfferPacket(Bytes(64), {76});
  else
    peer.OfferBuffers({128});
  poison(peer);
  uint32_t ids[8];
  uint32_t n;
  if (role == QueueRole::kRx) {
    n = RxBurst(peer.queue, *pool, ids, 8);
    pool->Free(ids, n);
  } else {
    for (int i = 0; i < 8; i++) ids[i] = pool.Make(Bytes(64, i));
    n = TxBurst(peer.queue, *pool, ids, 8);
    // Everything good before the poison is done; one more call is certain to meet the poison.
    if (!peer.broken()) n += TxBurst(peer.queue, *pool, ids + n, 8 - n);
    pool->Free(ids + n, 8 - n);
  }
  CHECK(n <= 1);
  CHECK(peer.broken());
  CHECK(peer.queue.counters.invalid_desc == 1);
  CHECK(pool->available() == 64);
  uint16_t used = peer.used()->idx;
  CHECK(RxBurst(peer.queue, *pool, ids, 8) == 0);
  CHECK(peer.used()->idx == used);
}

void BothRoles(const std::function<void(Peer&, uint16_t flags)>& poison) {
  ExpectBroken(QueueRole::kRx, [&](Peer& p) { poison(p, 0); });
  ExpectBroken(QueueRole::kTx, [&](Peer& p) { poison(p, VRING_DESC_F_WRITE); });
}

void OfferDesc(Peer& p, VringDesc d) {
  p.desc()[8] = d;
  p.Offer(8);
}

}  // namespace

TEST("H1 avail.idx jumps by more than the ring's size") {
  BothRoles([](Peer& p, uint16_t) { p.avail()->idx = static_cast<uint16_t>(p.avail()->idx + 17); });
}
TEST("H1 avail.idx goes backwards") {
  BothRoles([](Peer& p, uint16_t) { p.avail()->idx = 65535; });
}
TEST("H2 head index beyond the table") {
  BothRoles([](Peer& p, uint16_t) { p.Offer(16); });
  BothRoles([](Peer& p, uint16_t) { p.Offer(65535); });
}
TEST("H3 next beyond the table") {
  BothRoles([](Peer& p, uint16_t flags) {
    OfferDesc(p, {kGpa + 0x20000, 4, static_cast<uint16_t>(flags | VRING_DESC_F_NEXT), 16});
  });
}
TEST("H4 a chain that loops") {
  BothRoles([](Peer& p, uint16_t flags) {
    OfferDesc(p, {kGpa + 0x20000, 4, static_cast<uint16_t>(flags | VRING_DESC_F_NEXT), 8});
  });
}
TEST("H4 a loop of buffers without bytes") {
  BothRoles([](Peer& p, uint16_t flags) {
    OfferDesc(p, {kGpa + 0x20000, 0, static_cast<uint16_t>(flags | VRING_DESC_F_NEXT), 8});
  });
}
TEST("H6 indirect tables of every bad shape") {
  const auto indirect = [](uint64_t gpa, uint32_t len, uint16_t more) {
    BothRoles([=](Peer& p, uint16_t) {
      OfferDesc(p, {gpa, len, static_cast<uint16_t>(VRING_DESC_F_INDIRECT | more), 9});
    });
  };
  indirect(kGpa + 0x9000, 0, 0);
  indirect(kGpa + 0x9000, 24, 0);
  indirect(kGpa + 0x9000, 32, VRING_DESC_F_NEXT);
  indirect(kGpa + (1 << 20) - 16, 32, 0);
  indirect(0, 32, 0);
  indirect(kGpa + 0x9001, 32, 0);
  indirect(kGpa + 0x9000, 0xfffffff0, 0);
}
TEST("H6 a table within a table") {
  BothRoles([](Peer& p, uint16_t) {
    auto* t = reinterpret_cast<VringDesc*>(p.at(kGpa + 0x9000));
    t[0] = {kGpa + 0x9000, 16, VRING_DESC_F_INDIRECT, 0};
    OfferDesc(p, {kGpa + 0x9000, 16, VRING_DESC_F_INDIRECT, 0});
  });
}
TEST("H7 addresses outside, at the end, around 2^64, and lengths that overflow") {
  const struct {
    uint64_t addr;
    uint32_t len;
  } bad[] = {{0, 64},
             {kGpa - 1, 64},
             {kGpa + (1 << 20) - 1, 64},
             {kGpa + (1 << 20), 64},
             {kGpa + (1 << 20) - 75, 76},
             {~uint64_t{0}, 64},
             {~uint64_t{0} - 32, 64},
             {kGpa + 0x20000, 0xffffffff},
             {0, 0}};
  for (const auto& b : bad)
    BothRoles([&](Peer& p, uint16_t flags) { OfferDesc(p, {b.addr, b.len, flags, 0}); });
}
TEST("H7 a buffer that straddles two regions which are not neighbours in memory") {
  std::vector<uint8_t> a(4096), b(4096);
  MemoryTable table;
  CHECK(table.Build({{0x1000, 4096, a.data(), 1, 0}, {0x2000, 4096, b.data(), 2, 0}}));
  CHECK(table.Translate(0x1ff0, 16) == a.data() + 0xff0);
  CHECK(table.Translate(0x1ff0, 17) == nullptr);
  CHECK(table.Translate(0x2000, 4096) == b.data());
  CHECK(table.Translate(0x2fff, 2) == nullptr);
}
TEST("H12 tiny buffers for a large packet: dropped, and the ring goes on") {
  Peer peer(16);
  Pool pool;
  peer.Start(QueueRole::kTx);
  for (int i = 0; i < 16; i++) peer.OfferBuffers({13});
  uint32_t ids[2] = {pool.Make(Bytes(9000)), pool.Make(Bytes(100))};
  CHECK(TxBurst(peer.queue, *pool, ids, 2) == 2);
  CHECK(peer.queue.counters.errors == 1);
  CHECK(!peer.broken());
  CHECK(peer.used()->idx == 9);
}
TEST("memory tables refuse overlap, emptiness and wrap-around") {
  std::vector<uint8_t> m(4096);
  MemoryTable t;
  CHECK(!t.Build({{0, 0, m.data(), 1, 0}}));
  CHECK(!t.Build({{0, 100, m.data(), 1, 0}, {99, 100, m.data(), 1, 0}}));
  CHECK(!t.Build({{~uint64_t{0}, 2, m.data(), 1, 0}}));
  CHECK(t.Build({{~uint64_t{0}, 1, m.data(), 1, 0}}));
  CHECK(t.Translate(~uint64_t{0}, 1) == m.data());
  CHECK(t.Translate(~uint64_t{0}, 2) == nullptr);
}
TEST("a pool survives an application that frees twice, frees nonsense or ties a loop") {
  Pool pool(4);
  uint32_t ids[4];
  CHECK(pool->Alloc(ids, 4));
  uint32_t nonsense[2] = {77, 0xffffffff};
  pool->Free(nonsense, 2);
  CHECK(pool->available() == 0);
  pool->Free(ids, 4);
  pool->Free(ids, 4);
  CHECK(pool->available() == 4);
  CHECK(pool->Alloc(ids, 4));
  pool->next()[ids[0]] = ids[1];
  pool->next()[ids[1]] = ids[0];
  pool->Free(ids, 1);
  CHECK(pool->available() == 2);
}
TEST("regression: an mbuf that an application marks as in use while it is free does not overflow the pool") {
  Pool pool(4);
  for (uint32_t i = 0; i < 100; i++) {
    uint32_t id = i % 4;
    pool->next()[id] = kNoNext;
    pool->Free(&id, 1);
  }
  CHECK(pool->available() == 4);
}
