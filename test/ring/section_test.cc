// SPDX-License-Identifier: BSD-3-Clause
// Both ends of a section's ring, against each other and against a peer by hand.
#include <deque>

#include "burst/announce.h"
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/in_place.h"
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
  CHECK(s.desc(0)[1].addr == s.setup.data + 64 && s.desc(0)[1].len == 100 && s.desc(0)[1].flags == 0);
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

TEST("section: a backlog of any frames, sent in bursts or in place, arrives whole and in order") {
  for (uint32_t hdr_bytes : {0u, 12u}) {
    for (uint32_t most : {200u, 1518u, 9000u}) {
      Sections s(0x8000, 64, hdr_bytes, most);
      Pool pool(256, 9216);
      CHECK(s.Start());
      std::deque<std::string> sent;
      uint32_t random = 1, taken = 0;
      const auto next = [&](uint32_t below) {
        random = random * 1664525 + 1013904223;
        return (random >> 8) % below;
      };
      for (uint32_t round = 0; round < 3000; round++) {
        // Now and then many of one size, as laps are made of.
        const uint32_t size = 14 + next(most - 13);
        for (uint32_t i = next(8); i > 0; i--) {
          const std::string frame = Bytes(round % 64 < 32 ? 64 : size, round * 8 + i);
          const bool in_place = next(4) == 0;
          if (in_place && Reserve(s.tx, 1) == 1) {
            const bool fits = frame.size() <= s.tx.burst.slots.room[0], goes = fits && next(3) > 0;
            if (fits) std::memcpy(s.memory(0) + s.tx.burst.slots.offset[0], frame.data(), frame.size());
            s.tx.burst.slots.length[0] = static_cast<uint32_t>(frame.size());
            CHECK(Commit(s.tx, goes ? 1 : 0) == (goes ? 1 : 0));
            if (goes) sent.push_back(frame);
          } else if (!in_place) {
            const uint32_t id = pool.Make(frame, 9216);
            if (TxBurst(s.tx, *pool, &id, 1) == 1)
              sent.push_back(frame);
            else
              pool->Free(&id, 1);
          }
        }
        uint32_t ids[8];
        const uint32_t n = RxBurst(s.far_rx, *pool, ids, next(9));
        CHECK(n <= sent.size());
        for (uint32_t i = 0; i < n; i++, sent.pop_front()) CHECK(pool.Frame(ids[i]) == sent.front());
        pool->Free(ids, n);
        taken += n;
        if (check::failures_in_case) return;
      }
      CHECK(taken > 2000 && pool->available() == 256);
      CHECK(s.tx.state.load() == QueueState::kRunning && s.tx.counters.errors == 0);
    }
  }
}

TEST("section: descriptors of frames of one size repeat, also while the peer holds most of them") {
  for (uint32_t size : {64u, 1518u}) {
    Sections s(0x40000, 512, 12);
    Pool pool(64);
    CHECK(s.Start());
    std::vector<VringDesc> first;
    for (uint32_t i = 0, held = 0; i < 4096; i++) {
      const uint32_t id = pool.Make(Bytes(size, i));
      CHECK(TxBurst(s.tx, *pool, &id, 1) == 1);
      const VringDesc d = s.desc(0)[i & 511];
      if (i >= 1024 && i < 1536) first.push_back(d);
      if (i >= 1536) CHECK(d.addr == first[i & 511].addr && d.len == 12 + size);
      uint32_t got;
      if (++held > 60) CHECK(RxBurst(s.far_rx, *pool, &got, 1) == 1 && (pool->Free(&got, 1), held--));
      if (check::failures_in_case) return;
    }
  }
}

TEST("section: a packet begins at a cache line, its header right before it") {
  Sections s(0x10000, 64, 12);
  Pool pool;
  CHECK(s.Start());
  for (uint32_t i = 0; i < 300; i++) {
    const uint32_t id = pool.Make(Bytes(14 + i, i));
    CHECK(TxBurst(s.tx, *pool, &id, 1) == 1);
    CHECK((s.desc(0)[i & 63].addr + 12) % 64 == 0);
    uint32_t got;
    CHECK(RxBurst(s.far_rx, *pool, &got, 1) == 1);
    pool->Free(&got, 1);
  }
}

TEST("section: a frame of more than half the data is sent again and again, wherever the last one ended") {
  Sections s(0x4000, 64, 12, 9000);
  Pool pool(64, 9216);
  CHECK(s.Start());
  for (uint32_t i = 0; i < 200; i++) {
    const std::string frame = Bytes(i % 2 ? 9000 : 14 + 37 * i % 3000, i);
    const uint32_t id = pool.Make(frame, 9216);
    CHECK(!s.tx.Arm());
    CHECK(TxBurst(s.tx, *pool, &id, 1) == 1);
    uint32_t got;
    CHECK(RxBurst(s.far_rx, *pool, &got, 1) == 1 && pool.Frame(got) == frame);
    pool->Free(&got, 1);
    if (check::failures_in_case) return;
  }
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
