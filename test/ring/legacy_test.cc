// SPDX-License-Identifier: BSD-3-Clause
// Drivers from before virtio 1.0: the virtio-net header has 10 bytes, or 12 with MRG_RXBUF (VIRTIO 1.2,
// 5.1.6.1). Many of them keep it in a separate buffer (2.7.4.1).
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/in_place.h"
#include "burst/peer_traffic.h"
#include "burst/relay.h"
#include "burst/repeat.h"
#include "by_hand.h"
#include "check.h"

using namespace mock;

namespace {

constexpr uint16_t kWrite = VRING_DESC_F_WRITE;
constexpr uint64_t kMergeable = uint64_t{1} << VIRTIO_NET_F_MRG_RXBUF;
constexpr uint64_t kChecksums = uint64_t{1} << VIRTIO_NET_F_CSUM | uint64_t{1} << VIRTIO_NET_F_GUEST_CSUM |
                                uint64_t{1} << VIRTIO_NET_F_HOST_TSO4 |
                                uint64_t{1} << VIRTIO_NET_F_GUEST_TSO4;

std::vector<uint64_t> LegacyFeatures() {
  std::vector<uint64_t> all;
  for (uint64_t mergeable : {uint64_t{0}, kMergeable})
    for (uint64_t checksums : {uint64_t{0}, kChecksums})
      for (uint64_t event_idx : {0, 1})
        all.push_back(mergeable | checksums | event_idx << VIRTIO_F_RING_EVENT_IDX);
  return all;
}

uint32_t HeaderBytes(uint64_t features) { return features & kMergeable ? 12 : 10; }

}  // namespace

TEST("legacy rx: a packet arrives whole, the header apart or not") {
  for (uint64_t features : LegacyFeatures()) {
    const uint32_t header = HeaderBytes(features);
    ByHand hand(QueueRole::kRx, features);
    CHECK(hand.queue().hdr_bytes == header);
    Pool pool;
    hand.OfferPacket(Bytes(64, 1));
    hand.OfferPacket(Bytes(64, 2), {header, 64});
    hand.OfferPacket(Bytes(64, 3), {header - 1, 2, 63});
    uint32_t ids[4];
    CHECK(RxBurst(hand.queue(), *pool, ids, 4) == 3);
    for (uint32_t i = 0; i < 3; i++) CHECK(pool.Frame(ids[i]) == Bytes(64, i + 1));
    CHECK(hand.AllUsed());
  }
}

TEST("legacy rx: a header without a packet is dropped, and the shortest frame is taken") {
  for (uint64_t features : LegacyFeatures()) {
    const uint32_t header = HeaderBytes(features);
    ByHand hand(QueueRole::kRx, features);
    Pool pool;
    hand.Offer({{kScratch, header, 0, 0}});
    hand.Offer({{kScratch, header + 13, 0, 0}});
    hand.Offer({{kScratch, header + 14, 0, 0}});
    uint32_t ids[4];
    CHECK(RxBurst(hand.queue(), *pool, ids, 4) == 1);
    CHECK(pool->pkt_len()[ids[0]] == 14);
    CHECK(hand.queue().counters.undersize_errors == 2);
  }
}

TEST("legacy tx: header and packet lie where such a driver looks for them") {
  for (uint64_t features : LegacyFeatures()) {
    const uint32_t header = HeaderBytes(features);
    ByHand hand(QueueRole::kTx, features);
    Pool pool;
    const uint64_t first = hand.peer.Allocate(header), data = hand.peer.Allocate(1514);
    hand.Offer({{first, header, kWrite, 0}, {data, 1514, kWrite, 0}});
    const uint64_t whole = hand.OfferBuffer(header + 1514);
    for (uint64_t gpa : {first, whole}) std::memset(hand.peer.at(gpa), 0xee, header);
    const uint32_t ids[2] = {pool.Make(Bytes(1514, 1)), pool.Make(Bytes(1514, 2))};
    CHECK(TxBurst(hand.queue(), *pool, ids, 2) == 2);
    CHECK(hand.Used(0) == header + 1514 && hand.Used(1) == header + 1514);
    CHECK(std::memcmp(hand.peer.at(data), Bytes(1514, 1).data(), 1514) == 0);
    CHECK(std::memcmp(hand.peer.at(whole) + header, Bytes(1514, 2).data(), 1514) == 0);
    const std::string plain =
        std::string(10, '\0') + std::string(features & kMergeable ? "\1\0" : "", header - 10);
    for (uint64_t gpa : {first, whole}) CHECK(std::memcmp(hand.peer.at(gpa), plain.data(), header) == 0);
  }
}

TEST("legacy tx: without MRG_RXBUF a packet that its buffer cannot hold is dropped, with it takes several") {
  for (uint64_t features : LegacyFeatures()) {
    ByHand hand(QueueRole::kTx, features);
    Pool pool;
    for (int i = 0; i < 3; i++) hand.OfferBuffer(1000);
    const uint32_t id = pool.Make(Bytes(2000));
    CHECK(TxBurst(hand.queue(), *pool, &id, 1) == 1);
    const bool fits = features & kMergeable;
    CHECK(hand.queue().counters.errors == (fits ? 0u : 1u));
    CHECK(hand.Used(2).has_value() == fits);
  }
}

TEST("legacy: segments to be cut pass with their header in both directions") {
  for (uint64_t features : LegacyFeatures()) {
    if ((features & kChecksums) == 0) continue;
    const uint32_t header = HeaderBytes(features);
    ByHand from(QueueRole::kRx, features), to(QueueRole::kTx, features);
    Pool pool;
    from.OfferPacket(Bytes(1800));
    const uint64_t sent = from.peer.desc()[0].addr, got = to.OfferBuffer(2048);
    const VirtioNetHdr hdr{VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 54, 1448, 34, 16, 0};
    std::memcpy(from.peer.at(sent), &hdr, 10);
    uint32_t id;
    CHECK(RxBurst(from.queue(), *pool, &id, 1) == 1);
    CHECK(pool->ol_flags()[id] == (MBUF_F_NEEDS_CSUM | MBUF_F_TSO4) && pool->gso_size()[id] == 1448);
    CHECK(TxBurst(to.queue(), *pool, &id, 1) == 1);
    CHECK(std::memcmp(to.peer.at(got), &hdr, 10) == 0);
    CHECK(std::memcmp(to.peer.at(got) + header, Bytes(1800).data(), 1800) == 0);
  }
}

TEST("legacy: in place, repeated and relayed packets lie behind the short header") {
  for (uint64_t features : LegacyFeatures()) {
    const uint32_t header = HeaderBytes(features);
    ByHand from(QueueRole::kRx, features), to(QueueRole::kTx, features);
    Pool pool;
    from.OfferPacket(Bytes(64, 1));
    from.OfferPacket(Bytes(64, 2));
    CHECK(Peek(from.queue(), 1) == 1);
    CHECK(from.queue().burst.slots.length[0] == 64);
    CHECK(std::memcmp(from.peer.at(kGpa) + from.queue().burst.slots.offset[0], Bytes(64, 1).data(), 64) == 0);
    CHECK(Release(from.queue(), 1) == 1);

    uint64_t buffer[3];
    for (uint64_t& gpa : buffer) gpa = to.OfferBuffer(header + 200);
    CHECK(Reserve(to.queue(), 1) == 1);
    CHECK(to.queue().burst.slots.room[0] == 200);
    std::memcpy(to.peer.at(kGpa) + to.queue().burst.slots.offset[0], Bytes(64, 3).data(), 64);
    to.queue().burst.slots.length[0] = 64;
    CHECK(Commit(to.queue(), 1) == 1);
    CHECK(RelayBurst(from.queue(), to.queue(), 1) == 1);
    const uint32_t id = pool.Make(Bytes(64, 4));
    CHECK(Repeat(to.queue(), *pool, id, 64, 1) == 1);
    for (uint32_t i = 0; i < 3; i++) {
      const uint32_t seed = i == 0 ? 3 : i == 1 ? 2 : 4;
      CHECK(to.Used(i) == header + 64);
      CHECK(std::memcmp(to.peer.at(buffer[i]) + header, Bytes(64, seed).data(), 64) == 0);
    }
  }
}

TEST("legacy: packets pass from a short header to a long one and back") {
  const uint64_t kinds[] = {0, kMergeable, Modern(), Modern(false), Modern() | kPackedBit};
  for (uint64_t ours : kinds) {
    for (uint64_t theirs : kinds) {
      ByHand from(QueueRole::kRx, ours), to(QueueRole::kTx, theirs);
      from.OfferPacket(Bytes(100, 5));
      const uint64_t buffer = to.OfferBuffer(to.queue().hdr_bytes + 100);
      CHECK(RelayBurst(from.queue(), to.queue(), 8) == 1);
      CHECK(to.Used(0) == to.queue().hdr_bytes + 100u);
      CHECK(std::memcmp(to.peer.at(buffer) + to.queue().hdr_bytes, Bytes(100, 5).data(), 100) == 0);
    }
  }
}

TEST("legacy: the built-in peer's frames travel through both roles") {
  constexpr uint32_t kSize = 64, kBuffer = 2048;
  for (uint64_t features : LegacyFeatures()) {
    Peer out(kSize, 0x10000 + kSize * kBuffer), in(kSize, 0x10000 + kSize * kBuffer);
    PeerTraffic sender, receiver;
    const auto setup = [&](Peer& p) {
      return DriverQueueSetup{p.at(kGpa), p.bytes(), 0,       0x4000,   0x8000, 0x10000,
                              kGpa,       kSize,     kBuffer, features, -1};
    };
    CHECK(sender.Init(QueueRole::kTx, setup(out)) && receiver.Init(QueueRole::kRx, setup(in)));
    CHECK(out.Start(QueueRole::kRx, features) == StartError::kNone);
    CHECK(in.Start(QueueRole::kTx, features) == StartError::kNone);
    const std::string frame = Bytes(1514);
    CHECK(sender.SetTemplate(reinterpret_cast<const uint8_t*>(frame.data()), 1514));
    Pool pool;
    for (int i = 0; i < 100; i++) {
      sender.Generate(32);
      uint32_t ids[32];
      const uint32_t n = RxBurst(out.queue, *pool, ids, 32);
      CHECK(TxBurst(in.queue, *pool, ids, n) == n);
      receiver.Receive(64, true);
    }
    CHECK(receiver.counters.packets >= 3200 - 64 &&
          receiver.counters.bytes == 1514 * receiver.counters.packets);
    CHECK(receiver.counters.bad_checksum + receiver.counters.bad_frame + receiver.counters.ring_errors == 0);
  }
}
