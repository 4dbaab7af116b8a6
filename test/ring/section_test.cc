// SPDX-License-Identifier: BSD-3-Clause
// Both ends of a section's ring, against each other and against a peer by hand.
#include "burst/announce.h"
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "check.h"
#include "section_rig.h"

using namespace mock;

TEST("section: frames of all lengths arrive whole and in order, in both directions, round and round") {
  for (uint32_t hdr_bytes : {0u, 12u}) {
    Sections s(0x8000, 32, hdr_bytes);
    Pool pool(128);
    CHECK(s.Start());
    uint32_t seed = 0;
    for (uint32_t round = 0; round < 3000; round++) {
      const bool back = round & 1;
      DeviceQueue& from = back ? s.far_tx : s.tx;
      DeviceQueue& to = back ? s.rx : s.far_rx;
      uint32_t ids[8], got[8];
      std::string frames[8];
      const uint32_t n = 1 + round % 8;
      for (uint32_t i = 0; i < n; i++) {
        frames[i] = Bytes(14 + (round * 37 + i * 211) % 2035, ++seed);
        // Some in several mbufs.
        ids[i] = pool->available() > 64 ? pool.Make(frames[i], round % 3 == 0 ? 600 : 2048) : 0;
      }
      const uint32_t sent = TxBurst(from, *pool, ids, n);
      pool->Free(ids + sent, n - sent);
      CHECK(sent > 0);
      CHECK(RxBurst(to, *pool, got, 8) == sent);
      for (uint32_t i = 0; i < sent; i++) CHECK(pool.Frame(got[i]) == frames[i]);
      pool->Free(got, sent);
      if (check::failures_in_case) return;
    }
    CHECK(pool->available() == 128);
    CHECK(s.tx.counters.good_bytes == s.far_rx.counters.good_bytes);
    CHECK(s.far_tx.counters.good_packets == s.rx.counters.good_packets);
    for (DeviceQueue* q : {&s.tx, &s.rx, &s.far_tx, &s.far_rx}) CHECK(q->counters.errors == 0);
  }
}

TEST("section: descriptors, indices and used entries are those of ivshmem-net") {
  Sections s;
  Pool pool;
  CHECK(s.tx.StartSection(s.setup) == StartError::kNone && s.rx.StartSection(s.setup) == StartError::kNone);
  const std::string first = Bytes(60, 1), second = Bytes(100, 2);
  const uint32_t ids[] = {pool.Make(first), pool.Make(second)};
  CHECK(TxBurst(s.tx, *pool, ids, 2) == 2);
  CHECK(s.avail(0)->idx == 2 && s.avail(0)->flags == 0);
  CHECK(s.avail(0)->ring[0] == 0 && s.avail(0)->ring[1] == 1);
  CHECK(s.desc(0)[0].addr == s.setup.data && s.desc(0)[0].len == 60 && s.desc(0)[0].flags == 0);
  CHECK(s.desc(0)[1].addr == s.setup.data + 128 && s.desc(0)[1].len == 100 && s.desc(0)[1].flags == 0);
  CHECK(std::memcmp(s.memory(0) + s.setup.data, first.data(), 60) == 0);
  // What the peer sends may lie anywhere in its data, and `next` is its own affair.
  const uint64_t at = s.setup.data + 33;
  std::memcpy(s.memory(1) + at, second.data(), second.size());
  s.Offer({at, 100, 0, 77});
  uint32_t got[4];
  CHECK(RxBurst(s.rx, *pool, got, 4) == 1);
  CHECK(pool.Frame(got[0]) == second);
  CHECK(s.used(0)->idx == 1 && s.used(0)->ring[0].id == 0 && s.used(0)->ring[0].len == 1);
}

TEST("section: sends as much as fits, and goes on when the peer returns frames") {
  Sections s(0x8000, 64, 0, 9000);
  Pool pool(256, 9216);
  CHECK(s.tx.StartSection(s.setup) == StartError::kNone);
  std::vector<uint32_t> ids;
  for (uint32_t i = 0; i < 8; i++) ids.push_back(pool.Make(Bytes(9000, i), 9216));
  // 0x8000 bytes less the rings hold three frames of 9024 bytes.
  CHECK(TxBurst(s.tx, *pool, ids.data(), 8) == 3);
  CHECK(TxBurst(s.tx, *pool, ids.data() + 3, 5) == 0);
  s.Return(1);
  CHECK(TxBurst(s.tx, *pool, ids.data() + 3, 5) == 1);
  s.Return(3);
  CHECK(TxBurst(s.tx, *pool, ids.data() + 4, 4) == 3);
  // As many as there are descriptors.
  s.Return(3);
  std::vector<uint32_t> small;
  for (uint32_t i = 0; i < 100; i++) small.push_back(pool.Make(Bytes(60, i)));
  CHECK(TxBurst(s.tx, *pool, small.data(), 100) == 64);
  CHECK(s.tx.state.load() == QueueState::kRunning);
}

TEST("section: a frame that is too large is dropped and counted") {
  Sections s(0x10000, 64, 0, 1518);
  Pool pool(64, 4096);
  CHECK(s.Start());
  const std::string good = Bytes(1518);
  uint32_t ids[] = {pool.Make(Bytes(1519), 4096), pool.Make(good), pool.Make(Bytes(1519), 1000)}, got[4];
  CHECK(TxBurst(s.tx, *pool, ids, 3) == 3);
  CHECK(s.tx.counters.errors == 2);
  CHECK(RxBurst(s.far_rx, *pool, got, 4) == 1);
  CHECK(pool.Frame(got[0]) == good);
  pool->Free(got, 1);
  CHECK(pool->available() == 64);
}

TEST("section: an announcement is received as from the peer") {
  Sections s;
  Pool pool;
  CHECK(s.Start());
  const uint8_t mac[6] = {2, 0, 0, 0, 0, 7};
  s.rx.announce.store(Announcement(mac));
  uint32_t got[2];
  CHECK(RxBurst(s.rx, *pool, got, 2) == 1);
  CHECK(pool.Frame(got[0]).size() == 60);
}
