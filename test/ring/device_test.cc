// SPDX-License-Identifier: BSD-3-Clause
// What a well-behaved peer sees: every framing, both directions.
#include <thread>

#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

TEST("rx: a packet in one buffer arrives whole and its descriptor is used") {
  Peer peer;
  Pool pool;
  CHECK(peer.Start(QueueRole::kRx) == StartError::kNone);
  std::string frame = Bytes(64);
  uint16_t head = peer.OfferPacket(frame, {76});
  uint32_t ids[32];
  CHECK(RxBurst(peer.queue, *pool, ids, 32) == 1);
  CHECK(pool.Frame(ids[0]) == frame);
  CHECK(pool->pkt_len()[ids[0]] == 64);
  CHECK(peer.used()->idx == 1);
  CHECK(peer.used()->ring[0].id == head);
  CHECK(peer.used()->ring[0].len == 0);
  pool->Free(ids, 1);
  CHECK(pool->available() == 64);
}

TEST("rx: any cut of header and data over a chain gives the same packet") {
  for (uint32_t a = 1; a < 40; a++) {
    for (uint32_t b = 1; a + b < 76; b += 7) {
      Peer peer;
      Pool pool;
      peer.Start(QueueRole::kRx);
      std::string frame = Bytes(64, a * 100 + b);
      peer.OfferPacket(frame, {a, b, 76 - a - b});
      uint32_t id;
      CHECK(RxBurst(peer.queue, *pool, &id, 1) == 1);
      CHECK(pool.Frame(id) == frame);
    }
  }
}

TEST("rx: a frame larger than an mbuf comes as a chain of segments") {
  Peer peer;
  Pool pool(64, 256);
  peer.Start(QueueRole::kRx);
  std::string frame = Bytes(9000);
  peer.OfferPacket(frame, {12, 4000, 5000});
  uint32_t id;
  CHECK(RxBurst(peer.queue, *pool, &id, 1) == 1);
  CHECK(pool.Frame(id) == frame);
  CHECK(pool->pkt_len()[id] == 9000);
  pool->Free(&id, 1);
  CHECK(pool->available() == 64);
}

TEST("rx: an indirect table is followed") {
  Peer peer;
  Pool pool;
  peer.Start(QueueRole::kRx);
  std::string frame = Bytes(100);
  uint64_t table = kGpa + 0x9000, hdr = peer.Allocate(12), data = peer.Allocate(100);
  std::memcpy(peer.at(data), frame.data(), 100);
  auto* t = reinterpret_cast<VringDesc*>(peer.at(table));
  t[0] = {hdr, 12, VRING_DESC_F_NEXT, 1};
  t[1] = {data, 100, 0, 0};
  peer.desc()[0] = {table, 32, VRING_DESC_F_INDIRECT, 0};
  peer.Offer(0);
  uint32_t id;
  CHECK(RxBurst(peer.queue, *pool, &id, 1) == 1);
  CHECK(pool.Frame(id) == frame);
}

TEST("rx: without a free mbuf nothing is taken and nothing is lost") {
  Peer peer;
  Pool pool(2);
  peer.Start(QueueRole::kRx);
  for (int i = 0; i < 4; i++) peer.OfferPacket(Bytes(60, i), {72});
  uint32_t ids[8];
  CHECK(RxBurst(peer.queue, *pool, ids, 8) == 2);
  uint32_t more[8];
  CHECK(RxBurst(peer.queue, *pool, more, 8) == 0);
  CHECK(peer.queue.counters.mbuf_alloc_failed >= 1);
  CHECK(peer.used()->idx == 2);
  pool->Free(ids, 2);
  CHECK(RxBurst(peer.queue, *pool, ids, 8) == 2);
  CHECK(pool.Frame(ids[1]) == Bytes(60, 3));
}

TEST("regression: a large packet is taken when the pool has room for it but not for the whole burst") {
  Peer peer;
  Pool pool(4, 256);
  peer.Start(QueueRole::kRx);
  std::string large = Bytes(600);
  peer.OfferPacket(large, {612});
  for (int i = 0; i < 3; i++) peer.OfferPacket(Bytes(60, i), {72});
  uint32_t ids[4];
  CHECK(RxBurst(peer.queue, *pool, ids, 4) == 2);
  CHECK(pool.Frame(ids[0]) == large);
  pool->Free(ids, 2);
  CHECK(RxBurst(peer.queue, *pool, ids, 4) == 2);
  CHECK(pool.Frame(ids[1]) == Bytes(60, 2));
  pool->Free(ids, 2);
  CHECK(pool->available() == 4);
}

TEST("rx: the index wraps around 2^16 and the ring many times") {
  Peer peer(4);
  Pool pool;
  std::string frame = Bytes(64);
  std::vector<uint64_t> gpas;
  uint16_t head = peer.Chain({{76}}, &gpas);
  std::memcpy(peer.at(gpas[0]) + 12, frame.data(), 64);
  peer.avail()->idx = 65530;
  peer.used()->idx = 65530;
  peer.Start(QueueRole::kRx, Modern(), 65530);
  for (int i = 0; i < 20; i++) {
    peer.Offer(head);
    uint32_t id;
    CHECK(RxBurst(peer.queue, *pool, &id, 1) == 1);
    CHECK(pool.Frame(id) == frame);
    pool->Free(&id, 1);
  }
  CHECK(peer.used()->idx == static_cast<uint16_t>(65530 + 20));
  CHECK(peer.queue.Quiesce() == static_cast<uint16_t>(65530 + 20));
}

TEST("rx: counts sizes and destinations as DPDK does") {
  Peer peer;
  Pool pool;
  peer.Start(QueueRole::kRx);
  const uint32_t sizes[] = {60, 64, 65, 127, 128, 1023, 1024, 1518, 1519};
  for (uint32_t size : sizes) {
    std::string frame = Bytes(size);
    frame[0] = 0;
    peer.OfferPacket(frame, {size + 12});
  }
  std::string broadcast(64, '\xff'), multicast(64, '\x01');
  peer.OfferPacket(broadcast, {76});
  peer.OfferPacket(multicast, {76});
  uint32_t ids[16];
  CHECK(RxBurst(peer.queue, *pool, ids, 16) == 11);
  const QueueCounters& c = peer.queue.counters;
  CHECK(c.undersize_packets == 1);
  CHECK(c.size_bins[0] == 3);
  CHECK(c.size_bins[1] == 2);
  CHECK(c.size_bins[2] == 1);
  CHECK(c.size_bins[3] == 0);
  CHECK(c.size_bins[4] == 1);
  CHECK(c.size_bins[5] == 2);
  CHECK(c.size_bins[6] == 1);
  CHECK(c.broadcast_packets == 1);
  CHECK(c.multicast_packets == 1);
  CHECK(c.good_packets == 11);
}

TEST("tx: a packet goes into the peer's buffer behind a header that says one buffer") {
  Peer peer;
  Pool pool;
  peer.Start(QueueRole::kTx);
  peer.OfferBuffers({2048});
  std::string frame = Bytes(64);
  uint32_t id = pool.Make(frame);
  CHECK(TxBurst(peer.queue, *pool, &id, 1) == 1);
  CHECK(peer.used()->idx == 1);
  std::string got = peer.UsedBytes(0, 1);
  CHECK(got.size() == 76);
  CHECK(got.substr(12) == frame);
  CHECK(got.substr(0, 12) == std::string("\0\0\0\0\0\0\0\0\0\0\1\0", 12));
  CHECK(pool->available() == 64);
}

TEST("tx: any frame in any shape of mergeable buffers arrives whole") {
  for (uint32_t size : {60u, 64u, 500u, 1500u, 4000u, 9000u}) {
    for (uint32_t buffer : {13u, 100u, 512u, 1024u, 2048u}) {
      uint32_t buffers = (size + 12 + buffer - 1) / buffer;
      if (buffers > 256) continue;
      Peer peer(512);
      Pool pool;
      peer.Start(QueueRole::kTx);
      for (uint32_t i = 0; i < buffers; i++) peer.OfferBuffers({buffer});
      std::string frame = Bytes(size, size + buffer);
      uint32_t id = pool.Make(frame, 777);
      CHECK(TxBurst(peer.queue, *pool, &id, 1) == 1);
      CHECK(peer.used()->idx == buffers);
      std::string got = peer.UsedBytes(0, static_cast<uint16_t>(buffers));
      CHECK(got.substr(12) == frame);
      uint16_t num;
      std::memcpy(&num, got.data() + 10, 2);
      CHECK(num == buffers);
      CHECK(pool->available() == 64);
    }
  }
}

TEST("tx: buffers that are chains are filled in order") {
  Peer peer;
  Pool pool;
  peer.Start(QueueRole::kTx, Modern(false));
  peer.OfferBuffers({12, 30, 1, 500});
  std::string frame = Bytes(100);
  uint32_t id = pool.Make(frame);
  CHECK(TxBurst(peer.queue, *pool, &id, 1) == 1);
  CHECK(peer.UsedBytes(0, 1).substr(12) == frame);
  CHECK(peer.used()->ring[0].len == 112);
}

TEST("tx: waits, writing nothing, until the peer has posted enough buffers") {
  Peer peer;
  Pool pool;
  peer.Start(QueueRole::kTx);
  peer.OfferBuffers({1000});
  std::string frame = Bytes(1500);
  uint32_t id = pool.Make(frame);
  CHECK(TxBurst(peer.queue, *pool, &id, 1) == 0);
  CHECK(peer.used()->idx == 0);
  CHECK(pool->available() == 63);
  peer.OfferBuffers({1000});
  CHECK(TxBurst(peer.queue, *pool, &id, 1) == 1);
  CHECK(peer.UsedBytes(0, 2).substr(12) == frame);
}

TEST("tx: a frame that no buffer can hold is dropped and does not block the next") {
  Peer peer;
  Pool pool;
  peer.Start(QueueRole::kTx, Modern(false));
  peer.OfferBuffers({500});
  uint32_t ids[2] = {pool.Make(Bytes(600)), pool.Make(Bytes(60))};
  CHECK(TxBurst(peer.queue, *pool, ids, 2) == 2);
  CHECK(peer.queue.counters.errors == 1);
  CHECK(peer.queue.counters.good_packets == 1);
  CHECK(peer.used()->idx == 1);
  CHECK(peer.UsedBytes(0, 1).substr(12) == Bytes(60));
  CHECK(pool->available() == 64);
}

TEST("tx: numbers that are no mbuf and lengths beyond the buffer are dropped") {
  Peer peer;
  Pool pool;
  peer.Start(QueueRole::kTx);
  for (int i = 0; i < 4; i++) peer.OfferBuffers({2048});
  uint32_t ids[4] = {0xffffffff, 64, pool.Make(Bytes(60)), pool.Make(Bytes(60))};
  pool->data_off()[ids[2]] = 65000;
  pool->next()[ids[3]] = ids[3];
  CHECK(TxBurst(peer.queue, *pool, ids, 4) == 4);
  CHECK(peer.queue.counters.errors == 4);
  CHECK(peer.used()->idx == 0);
}

TEST("tx: sends as many as there are buffers and leaves the rest to the caller") {
  Peer peer(64);
  Pool pool(128);
  peer.Start(QueueRole::kTx);
  for (int i = 0; i < 40; i++) peer.OfferBuffers({256});
  uint32_t ids[60];
  for (int i = 0; i < 60; i++) ids[i] = pool.Make(Bytes(64, i));
  CHECK(TxBurst(peer.queue, *pool, ids, 60) == 40);
  CHECK(pool->available() == 128 - 20);
  for (uint16_t i = 0; i < 40; i++) CHECK(peer.UsedBytes(i, i + 1).substr(12) == Bytes(64, i));
}

TEST("start refuses rings that are misaligned, of a bad size, or outside the memory") {
  Peer peer;
  DeviceQueue& q = peer.queue;
  const auto start = [&](uint64_t d, uint64_t a, uint64_t u, uint32_t size) {
    return q.Start({&peer.table, d, a, u, size, 0, Modern(), -1});
  };
  uint64_t d = peer.desc_gpa(), a = peer.avail_gpa(), u = peer.used_gpa();
  CHECK(start(d, a, u, 0) == StartError::kBadSize);
  CHECK(start(d, a, u, 3) == StartError::kBadSize);
  CHECK(start(d, a, u, 65536) == StartError::kBadSize);
  CHECK(start(d + 8, a, u, 16) == StartError::kMisaligned);
  CHECK(start(d, a + 1, u, 16) == StartError::kMisaligned);
  CHECK(start(d, a, u + 2, 16) == StartError::kMisaligned);
  CHECK(start(peer.end() - 240, a, u, 16) == StartError::kOutsideMemory);
  CHECK(start(d, peer.end() - 36, u, 16) == StartError::kOutsideMemory);
  CHECK(start(d, a, peer.end() - 132, 16) == StartError::kOutsideMemory);
  CHECK(start(~uint64_t{15}, a, u, 16) == StartError::kOutsideMemory);
  CHECK(start(d, a, u, 16) == StartError::kNone);
  CHECK(start(d, a, u, 16) == StartError::kRunning);
  CHECK(peer.table.users == 1);
  q.Quiesce();
  CHECK(peer.table.users == 0);
}

TEST("quiesce from another thread leaves no burst behind") {
  Peer peer(256);
  Pool pool(512);
  std::vector<uint64_t> gpas;
  uint16_t head = peer.Chain({{76}}, &gpas);
  for (int round = 0; round < 50; round++) {
    peer.Start(QueueRole::kRx, Modern(), peer.used()->idx);
    std::atomic<bool> stop{false};
    std::thread poller([&] {
      uint32_t ids[32];
      while (!stop) pool->Free(ids, RxBurst(peer.queue, *pool, ids, 32));
    });
    for (int i = 0; i < 64; i++) {
      uint16_t idx = peer.avail()->idx;
      peer.avail()->ring[idx & 255] = head;
      __atomic_store_n(&peer.avail()->idx, static_cast<uint16_t>(idx + 1), __ATOMIC_RELEASE);
    }
    uint16_t last = peer.queue.Quiesce();
    // After Quiesce nothing moves, whatever the poller does.
    CHECK(peer.used()->idx == last);
    std::this_thread::yield();
    CHECK(peer.used()->idx == last);
    stop = true;
    poller.join();
    peer.avail()->idx = last;
  }
}
