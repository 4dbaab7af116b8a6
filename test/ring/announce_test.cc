// SPDX-License-Identifier: BSD-3-Clause
// An address to announce is received in the next burst, before anything else and only once.
#include "burst/announce.h"

#include "burst/device_rx.h"
#include "burst/in_place.h"
#include "burst/relay.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

namespace {

constexpr uint8_t kMac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

}  // namespace

TEST("announce: a RARP broadcast in the peer's name, once, then the packets") {
  Peer peer;
  Pool pool;
  CHECK(peer.Start(QueueRole::kRx) == StartError::kNone);
  peer.OfferPacket(Bytes(100), {112});
  peer.queue.announce.store(Announcement(kMac));
  uint32_t ids[4];
  CHECK(RxBurst(peer.queue, *pool, ids, 4) == 2);
  const std::string mac(reinterpret_cast<const char*>(kMac), 6);
  const std::string frame = std::string(6, '\xff') + mac + std::string("\x80\x35\0\1\x08\0\6\4\0\3", 10) +
                            mac + std::string(4, '\0') + mac + std::string(22, '\0');
  CHECK(frame.size() == 60);
  CHECK(pool.Frame(ids[0]) == frame);
  CHECK(pool.Frame(ids[1]) == Bytes(100));
  CHECK(peer.queue.counters.rarp_packets == 1 && peer.queue.counters.broadcast_packets >= 1);
  CHECK(peer.queue.counters.good_packets == 2);
  CHECK(RxBurst(peer.queue, *pool, ids + 2, 2) == 0);
}

TEST("announce: waits for a burst that has room and a pool that has an mbuf; the last address counts") {
  Peer peer;
  Pool pool(2);
  CHECK(peer.Start(QueueRole::kRx) == StartError::kNone);
  uint32_t ids[2], id;
  const uint8_t other[6] = {2, 0, 0, 0, 0, 0};
  peer.queue.announce.store(Announcement(other));
  peer.queue.announce.store(Announcement(kMac));
  CHECK(RxBurst(peer.queue, *pool, &id, 0) == 0);
  CHECK(pool->Alloc(ids, 2));
  CHECK(RxBurst(peer.queue, *pool, &id, 1) == 0);
  CHECK(peer.queue.counters.mbuf_alloc_failed == 1);
  pool->Free(ids, 1);
  CHECK(RxBurst(peer.queue, *pool, &id, 1) == 1);
  CHECK(pool.Frame(id).substr(6, 6) == std::string(reinterpret_cast<const char*>(kMac), 6));
}

TEST("announce: an address of zeros is one too") {
  Peer peer;
  Pool pool;
  CHECK(peer.Start(QueueRole::kRx) == StartError::kNone);
  const uint8_t zeros[6] = {};
  peer.queue.announce.store(Announcement(zeros));
  uint32_t id;
  CHECK(RxBurst(peer.queue, *pool, &id, 1) == 1);
}

TEST("announce: a pending one keeps a queue awake, and a relay leaves it to the burst") {
  Peer rx, tx;
  CHECK(rx.Start(QueueRole::kRx) == StartError::kNone);
  CHECK(tx.Start(QueueRole::kTx) == StartError::kNone);
  CHECK(rx.queue.Arm());
  rx.queue.Disarm();
  rx.queue.announce.store(Announcement(kMac));
  CHECK(!rx.queue.Arm());
  CHECK(RelayBurst(rx.queue, tx.queue, 8) == -1);
  rx.queue.announce.store(0);
  CHECK(RelayBurst(rx.queue, tx.queue, 8) == 0);
  CHECK(rx.queue.Arm());
}

TEST("regression: announce: who reads in place hears of it too, and not only when no packet comes") {
  Peer peer;
  Pool pool;
  CHECK(peer.Start(QueueRole::kRx) == StartError::kNone);
  peer.OfferPacket(Bytes(100), {112});
  peer.queue.announce.store(Announcement(kMac));
  CHECK(Peek(peer.queue, 8) == 0);
  uint32_t id;
  CHECK(RxBurst(peer.queue, *pool, &id, 1) == 1);
  CHECK(pool.Frame(id).size() == 60);
  CHECK(Peek(peer.queue, 8) == 1);
  CHECK(Release(peer.queue, 1) == 1);
}
