// SPDX-License-Identifier: BSD-3-Clause
// Entries that hold no packet, or an invalid one, but leave the ring readable: each is counted and returned
// to the peer as used, and the ring goes on.
#include <unistd.h>

#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/in_place.h"
#include "burst/relay.h"
#include "by_hand.h"
#include "check.h"

using namespace mock;

namespace {

constexpr uint64_t kIndirect = uint64_t{1} << VIRTIO_F_RING_INDIRECT_DESC;
constexpr uint16_t kWrite = VRING_DESC_F_WRITE;

struct Got {
  std::vector<std::string> frames;
  uint32_t bursts = 0;
};

// Bursts of `n` until one finds nothing to do.
Got ReceiveAll(ByHand& hand, Pool& pool, uint32_t n = 32) {
  Got got;
  std::vector<uint32_t> ids(n);
  for (uint16_t before = static_cast<uint16_t>(hand.queue().last_avail_idx + 1);
       before != hand.queue().last_avail_idx;) {
    before = hand.queue().last_avail_idx;
    const uint32_t count = RxBurst(hand.queue(), *pool, ids.data(), n);
    for (uint32_t i = 0; i < count; i++) got.frames.push_back(pool.Frame(ids[i]));
    pool->Free(ids.data(), count);
    got.bursts++;
  }
  return got;
}

uint32_t Send(ByHand& hand, Pool& pool, const std::string& frame) {
  const uint32_t id = pool.Make(frame);
  const uint32_t taken = TxBurst(hand.queue(), *pool, &id, 1);
  if (taken == 0) pool->Free(&id, 1);
  return taken;
}

const QueueCounters& Counters(ByHand& hand) { return hand.queue().counters; }

// The entry is dropped on every kind of ring, and the good packets around it arrive.
void ExpectDropped(const std::vector<VringDesc>& entry, uint64_t QueueCounters::*counter) {
  for (uint64_t features : RingFeatures()) {
    ByHand hand(QueueRole::kRx, features);
    Pool pool;
    hand.OfferPacket(Bytes(60, 1));
    const uint32_t at = hand.Offer(entry);
    hand.OfferPacket(Bytes(60, 2));
    const Got got = ReceiveAll(hand, pool);
    CHECK(got.frames == (std::vector<std::string>{Bytes(60, 1), Bytes(60, 2)}));
    CHECK(!hand.peer.broken());
    CHECK(hand.Used(at));
    CHECK(hand.AllUsed());
    CHECK(Counters(hand).*counter == 1);
    CHECK(Counters(hand).errors == 1);
    CHECK(Counters(hand).good_packets == 2);
    CHECK(Counters(hand).invalid_desc == 0);
    CHECK(pool->available() == 64);
  }
}

void ExpectSkipped(const std::vector<VringDesc>& entry, bool mergeable) {
  for (uint64_t features : RingFeatures()) {
    if (!mergeable) features &= ~(uint64_t{1} << VIRTIO_NET_F_MRG_RXBUF);
    ByHand hand(QueueRole::kTx, features);
    Pool pool;
    const std::string before(reinterpret_cast<char*>(hand.peer.at(kScratch)), 4096);
    const uint32_t at = hand.Offer(entry);
    const uint64_t buffer = hand.OfferBuffer(2048);
    for (int tries = 0; tries < 2 && Counters(hand).good_packets == 0; tries++) Send(hand, pool, Bytes(100));
    CHECK(!hand.peer.broken());
    CHECK(hand.Used(at) == 0u);
    CHECK(std::string(reinterpret_cast<char*>(hand.peer.at(kScratch)), 4096) == before);
    CHECK(std::memcmp(hand.peer.at(buffer) + 12, Bytes(100).data(), 100) == 0);
    CHECK(Counters(hand).invalid_buffers == 1);
    CHECK(Counters(hand).errors == 0);
    CHECK(Counters(hand).invalid_desc == 0);
    CHECK(pool->available() == 64);
  }
}

void ExpectBroken(QueueRole role, const std::vector<VringDesc>& entry) {
  for (uint64_t features : RingFeatures()) {
    ByHand hand(role, features);
    Pool pool;
    hand.Offer(entry);
    if (role == QueueRole::kRx)
      CHECK(ReceiveAll(hand, pool).frames.empty());
    else
      CHECK(Send(hand, pool, Bytes(60)) == 0);
    CHECK(hand.peer.broken());
    CHECK(Counters(hand).invalid_desc == 1);
    CHECK(pool->available() == 64);
  }
}

}  // namespace

TEST("H11 a chain that is no longer than its header is dropped among good packets") {
  for (uint64_t features : RingFeatures()) {
    ByHand hand(QueueRole::kRx, features, 128);
    Pool pool;
    uint32_t runts = 0;
    for (uint32_t i = 0; i < 111; i++) {
      if (i % 10 == 5)
        hand.Offer({{kScratch, 12, 0, 0}}), runts++;
      else
        hand.OfferPacket(Bytes(60, i));
    }
    CHECK(ReceiveAll(hand, pool).frames.size() == 111 - runts);
    CHECK(hand.AllUsed());
    CHECK(Counters(hand).undersize_errors == runts);
  }
}
TEST("H11 a packet without a whole Ethernet header is dropped, however it is cut") {
  const auto runt = &QueueCounters::undersize_errors;
  for (uint32_t len = 1; len < 12 + 14; len++) ExpectDropped({{kScratch, len, 0, 0}}, runt);
  ExpectDropped({{kScratch, 12, 0, 0}, {kScratch, 13, 0, 0}}, runt);
  ExpectDropped({{kScratch, 5, 0, 0}, {kScratch, 7, 0, 0}}, runt);
}
TEST("H11 buffers without bytes: a chain of them is dropped, and in a good chain they count for nothing") {
  ExpectDropped({{kScratch, 0, 0, 0}}, &QueueCounters::undersize_errors);
  ExpectDropped({{kScratch, 0, 0, 0}, {kScratch, 0, 0, 0}}, &QueueCounters::undersize_errors);
  ExpectDropped({{kScratch, 12, 0, 0}, {kScratch, 0, 0, 0}}, &QueueCounters::undersize_errors);
  for (uint64_t features : RingFeatures()) {
    ByHand hand(QueueRole::kRx, features);
    Pool pool;
    hand.OfferPacket(Bytes(60, 1), {0, 72});
    hand.OfferPacket(Bytes(60, 2), {12, 0, 60});
    hand.OfferPacket(Bytes(60, 3), {72, 0});
    CHECK(ReceiveAll(hand, pool).frames.size() == 3);
    CHECK(hand.AllUsed());
    CHECK(Counters(hand).errors == 0);
  }
}
TEST("H7 a buffer without bytes at an address outside the memory breaks the ring all the same") {
  ExpectBroken(QueueRole::kRx, {{kGpa + (1 << 20), 0, 0, 0}});
  ExpectBroken(QueueRole::kRx, {{kScratch, 12, 0, 0}, {0, 0, 0, 0}, {kScratch, 60, 0, 0}});
  ExpectBroken(QueueRole::kTx, {{0, 0, kWrite, 0}, {kScratch, 2000, kWrite, 0}});
}
TEST("H12 a packet of more than 64 KiB is dropped") {
  ExpectDropped({{kGpa + 0x20000, 65550 + 13, 0, 0}}, &QueueCounters::oversize_errors);
  ExpectDropped({{kGpa + 0x20000, 900000, 0, 0}, {kGpa + 0x20000, 900000, 0, 0}},
                &QueueCounters::oversize_errors);
}
TEST("H8 a packet with a buffer that the device may write is dropped") {
  ExpectDropped({{kScratch, 72, kWrite, 0}}, &QueueCounters::invalid_buffers);
  ExpectDropped({{kScratch, 72, 0, 0}, {kScratch, 60, kWrite, 0}}, &QueueCounters::invalid_buffers);
  ExpectDropped({{kScratch, 12, kWrite, 0}, {kScratch, 60, 0, 0}}, &QueueCounters::invalid_buffers);
}
TEST("H8 a receive buffer that the device may not write is passed, unwritten") {
  ExpectSkipped({{kScratch, 2048, 0, 0}}, true);
  ExpectSkipped({{kScratch, 1024, kWrite, 0}, {kScratch, 1024, 0, 0}}, true);
  ExpectSkipped({{kScratch, 1024, 0, 0}, {kScratch, 1024, kWrite, 0}}, false);
}
TEST("H9 a receive buffer smaller than the header is passed, unwritten") {
  for (uint32_t len = 0; len < 12; len++) ExpectSkipped({{kScratch, len, kWrite, 0}}, true);
  for (uint32_t len = 0; len <= 12; len++) ExpectSkipped({{kScratch, len, kWrite, 0}}, false);
}
TEST("H9 an unusable buffer amid those of one packet: they all go back, and the packet takes the next") {
  for (uint64_t features : RingFeatures()) {
    ByHand hand(QueueRole::kTx, features);
    Pool pool;
    hand.OfferBuffer(1000);
    hand.Offer({{kScratch, 1000, 0, 0}});
    for (int i = 0; i < 3; i++) hand.OfferBuffer(1000);
    const uint32_t ids[2] = {pool.Make(Bytes(2000)), pool.Make(Bytes(60))};
    CHECK(TxBurst(hand.queue(), *pool, ids, 2) == 1);
    pool->Free(ids + 1, 1);
    CHECK(hand.Used(0) == 0u && hand.Used(1) == 0u);
    CHECK(hand.Used(2) == 1000u && hand.Used(3) == 1000u && hand.Used(4) == 12u);
    CHECK(Counters(hand).invalid_buffers == 1 && Counters(hand).good_packets == 1);
  }
}
TEST("a burst drops no more entries than it was asked for packets") {
  for (uint64_t features : RingFeatures()) {
    ByHand hand(QueueRole::kRx, features, 128), full(QueueRole::kTx, features, 128);
    Pool pool;
    for (int i = 0; i < 100; i++) hand.Offer({{kScratch, 12, 0, 0}}), full.Offer({{kScratch, 2048, 0, 0}});
    uint32_t ids[8];
    CHECK(RxBurst(hand.queue(), *pool, ids, 8) == 0);
    CHECK(Counters(hand).undersize_errors == 8);
    for (uint32_t i = 0; i < 8; i++) ids[i] = pool.Make(Bytes(60, i));
    CHECK(TxBurst(full.queue(), *pool, ids, 8) == 0);
    CHECK(Counters(full).invalid_buffers == 8);
    CHECK(ReceiveAll(hand, pool, 8).frames.empty());
    CHECK(hand.AllUsed());
  }
}
TEST("a ring that is set up anew at the index of a harmless entry gets past it") {
  for (uint64_t features : RingFeatures()) {
    ByHand hand(QueueRole::kRx, features);
    Pool pool;
    hand.Offer({{kScratch, 12, 0, 0}});
    hand.Offer({{kScratch, 70000, 0, 0}});
    hand.OfferPacket(Bytes(60, 9));
    const uint16_t at = hand.queue().Quiesce();
    CHECK(hand.peer.Start(QueueRole::kRx, features, at) == StartError::kNone);
    CHECK(ReceiveAll(hand, pool).frames == std::vector<std::string>{Bytes(60, 9)});
  }
}
TEST("a peer that sleeps until its runt comes back is woken") {
  for (uint64_t features : RingFeatures()) {
    ByHand hand(QueueRole::kRx, features);
    Pool pool;
    CHECK(hand.queue().Arm());
    hand.Offer({{kScratch, 12, 0, 0}});
    CHECK(!hand.queue().Arm());
    CHECK(ReceiveAll(hand, pool).frames.empty());
    // There is no eventfd to signal; what counts is that the call was not suppressed.
    CHECK(Counters(hand).guest_notifications_suppressed == 0);
    CHECK(hand.Used(0) == 0u);
    CHECK(hand.queue().Arm());
  }
}
TEST("in place: nothing is shown of a runt, and a burst passes it") {
  for (uint64_t features : RingFeatures()) {
    ByHand hand(QueueRole::kRx, features);
    Pool pool;
    hand.Offer({{kScratch, 12 + 13, 0, 0}});
    hand.OfferPacket(Bytes(60, 7));
    CHECK(Peek(hand.queue(), 8) == 0);
    uint32_t ids[8];
    CHECK(RxBurst(hand.queue(), *pool, ids, 1) == 0);
    CHECK(Peek(hand.queue(), 8) == 1);
    CHECK(Release(hand.queue(), 1) == 1);
  }
}
TEST("in place: an unusable receive buffer is not handed out, and a burst passes it") {
  for (uint64_t features : RingFeatures()) {
    ByHand hand(QueueRole::kTx, features);
    Pool pool;
    hand.Offer({{kScratch, 11, kWrite, 0}});
    hand.OfferBuffer(2048);
    CHECK(Reserve(hand.queue(), 8) == 0);
    CHECK(Send(hand, pool, Bytes(60)) == 0);
    CHECK(Reserve(hand.queue(), 8) == 1);
    CHECK(Commit(hand.queue(), 0) == 0);
  }
}
TEST("relay: runts and unusable buffers are left to bursts, which pass them") {
  for (uint64_t features : RingFeatures()) {
    ByHand from(QueueRole::kRx, features), to(QueueRole::kTx, features);
    Pool pool;
    from.Offer({{kScratch, 12, 0, 0}});
    from.OfferPacket(Bytes(60, 3));
    to.Offer({{kScratch, 11, kWrite, 0}});
    const uint64_t buffer = to.OfferBuffer(2048);
    CHECK(RelayBurst(from.queue(), to.queue(), 8) == -1);
    uint32_t id;
    CHECK(RxBurst(from.queue(), *pool, &id, 1) == 0);
    CHECK(RelayBurst(from.queue(), to.queue(), 8) == -1);
    CHECK(Send(to, pool, Bytes(60, 4)) == 0);
    to.OfferBuffer(2048);
    CHECK(RelayBurst(from.queue(), to.queue(), 8) == 1);
    CHECK(std::memcmp(to.peer.at(buffer) + 12, Bytes(60, 3).data(), 60) == 0);
    CHECK(!from.peer.broken() && !to.peer.broken());
  }
}
TEST("regression: a packet that the whole pool cannot hold is dropped, even while the pool is empty") {
  for (uint64_t features : RingFeatures()) {
    ByHand hand(QueueRole::kRx, features);
    Pool pool(4, 64);
    hand.OfferPacket(Bytes(4 * 64 + 1), {12, 4 * 64 + 1});
    hand.OfferPacket(Bytes(60, 5));
    CHECK(ReceiveAll(hand, pool).frames == std::vector<std::string>{Bytes(60, 5)});
    CHECK(Counters(hand).oversize_errors == 1 && Counters(hand).mbuf_alloc_failed == 0);

    hand.OfferPacket(Bytes(4 * 64 + 1), {12, 4 * 64 + 1});
    uint32_t held[4], id;
    CHECK(pool->Alloc(held, 4));
    CHECK(RxBurst(hand.queue(), *pool, &id, 1) == 0);
    CHECK(Counters(hand).oversize_errors == 2);
    CHECK(hand.AllUsed());
    pool->Free(held, 4);
  }
}
TEST("a packet that takes the whole pool waits for the mbufs that the application holds") {
  for (uint64_t features : RingFeatures()) {
    ByHand hand(QueueRole::kRx, features);
    Pool pool(4, 64);
    hand.OfferPacket(Bytes(4 * 64), {12, 4 * 64});
    uint32_t held, id;
    CHECK(pool->Alloc(&held, 1));
    CHECK(RxBurst(hand.queue(), *pool, &id, 1) == 0);
    CHECK(Counters(hand).errors == 0 && Counters(hand).mbuf_alloc_failed == 1);
    pool->Free(&held, 1);
    CHECK(RxBurst(hand.queue(), *pool, &id, 1) == 1);
    CHECK(pool.Frame(id) == Bytes(4 * 64));
    pool->Free(&id, 1);
  }
}
TEST("a buffer without bytes in an indirect table counts for nothing") {
  for (uint64_t features : RingFeatures()) {
    ByHand hand(QueueRole::kRx, features | kIndirect);
    Pool pool;
    hand.OfferTable({{kScratch, 0, 0, 0}, {kScratch, 12, 0, 0}, {kScratch, 60, 0, 0}, {kScratch, 0, 0, 0}});
    hand.OfferTable({{kScratch, 0, 0, 0}, {kScratch, 0, 0, 0}});
    CHECK(ReceiveAll(hand, pool).frames.size() == 1);
    CHECK(Counters(hand).undersize_errors == 1);
    CHECK(hand.AllUsed());
  }
}
