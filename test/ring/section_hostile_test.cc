// SPDX-License-Identifier: BSD-3-Clause
// A peer that breaks the rules of a section's ring: it stops that queue, and nothing else. AddressSanitizer
// finds what would be read or written outside of the sections.
#include <thread>

#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/in_place.h"
#include "burst/relay.h"
#include "burst/repeat.h"
#include "check.h"
#include "section_rig.h"

using namespace mock;

namespace {

uint32_t Receive(Sections& s, Pool& pool) {
  uint32_t ids[8];
  const uint32_t n = RxBurst(s.rx, *pool, ids, 8);
  pool->Free(ids, n);
  return n;
}

uint32_t Send(Sections& s, Pool& pool, uint32_t n = 8) {
  uint32_t ids[64];
  for (uint32_t i = 0; i < n; i++) ids[i] = pool.Make(Bytes(64, i));
  const uint32_t sent = TxBurst(s.tx, *pool, ids, n);
  pool->Free(ids + sent, n - sent);
  return sent;
}

// What a peer may put into a descriptor, and whether the queue ends by it.
struct Bad {
  VringDesc desc;
  bool breaks;
};

}  // namespace

TEST("section: a descriptor that has flags, or leaves the data, breaks the queue") {
  const Sections sizes;
  const uint64_t data = sizes.setup.data, size = sizes.setup.size;
  const std::vector<Bad> all = {
      {{data, 60, VRING_DESC_F_NEXT, 1}, true},
      {{data, 60, VRING_DESC_F_WRITE, 0}, true},
      {{data, 16, VRING_DESC_F_INDIRECT, 0}, true},
      {{data, 60, 0x8000, 0}, true},
      {{0, 60, 0, 0}, true},
      {{data - 1, 60, 0, 0}, true},
      {{size - 59, 60, 0, 0}, true},
      {{size, 60, 0, 0}, true},
      {{size, 0, 0, 0}, true},
      {{data, 0xffffffff, 0, 0}, true},
      {{~uint64_t{0} - 10, 60, 0, 0}, true},
      {{uint64_t{1} << 63, 0, 0, 0}, true},
      {{data, static_cast<uint32_t>(size - data) + 1, 0, 0}, true},
      // Too short to be a frame: dropped, and the ring goes on.
      {{data, 0, 0, 0}, false},
      {{data, 13, 0, 0}, false},
      {{size - 14, 14, 0, 0}, false},
  };
  for (uint32_t hdr_bytes : {0u, 12u})
    for (const Bad& bad : all) {
      Sections s(0x10000, 64, hdr_bytes);
      Pool pool;
      CHECK(s.Start());
      s.Offer({data, 60 + hdr_bytes, 0, 0});
      s.Offer(bad.desc);
      s.Offer({data, 60 + hdr_bytes, 0, 0});
      const bool frame = bad.desc.len == 14 && hdr_bytes == 0;
      CHECK(Receive(s, pool) == (bad.breaks ? 1 : frame ? 3 : 2));
      CHECK(s.Broken(s.rx) == bad.breaks);
      CHECK(s.rx.counters.invalid_desc == bad.breaks);
      CHECK(s.rx.counters.undersize_errors == (!bad.breaks && !frame));
      CHECK(s.used(0)->idx == (bad.breaks ? 1 : 3));
      CHECK(pool->available() == 64);
      // The other direction does not notice.
      CHECK(Send(s, pool) == 8);
    }
}

TEST("section: an available ring that cannot be breaks the queue") {
  for (int how : {0, 1, 2}) {
    Sections s;
    Pool pool;
    CHECK(s.Start());
    s.Offer({s.setup.data, 60, 0, 0});
    CHECK(Receive(s, pool) == 1);
    if (how == 0) s.avail(1)->idx = 1 + 65;                       // more than the ring holds
    if (how == 1) s.avail(1)->idx = 0;                            // back
    if (how == 2) s.avail(1)->idx = 2, s.avail(1)->ring[1] = 64;  // no such descriptor
    CHECK(Receive(s, pool) == 0);
    CHECK(s.Broken(s.rx));
  }
}

TEST("section: a used ring that cannot be breaks the queue, and takes nothing") {
  for (int how = 0; how < 7; how++) {
    Sections s;
    Pool pool(256);
    CHECK(s.Start());
    CHECK(Send(s, pool, 4) == 4);
    s.Return(2);
    CHECK(Send(s, pool, 1) == 1);
    VringUsed* used = s.used(1);
    used->ring[2] = {2, 1};
    used->idx = 3;
    if (how == 0) used->idx = 6;          // more than are in flight
    if (how == 1) used->idx = 1;          // back
    if (how == 2) used->ring[2].id = 3;   // out of order
    if (how == 3) used->ring[2].id = 64;  // no such descriptor
    if (how == 4) used->ring[2].len = 0;
    if (how == 5) used->ring[2].len = 2;
    if (how == 6) used->idx = 0x8000;
    CHECK(Send(s, pool, 1) == 0);
    CHECK(s.Broken(s.tx) && s.tx.counters.invalid_desc == 1);
    CHECK(s.avail(0)->idx == 5);
    CHECK(pool->available() == 256);
    uint32_t ids[1] = {pool.Make(Bytes(60))};
    CHECK(Repeat(s.tx, *pool, ids[0], 60, 4) == 0);
    CHECK(Reserve(s.tx, 4) == 0);
    s.Offer({s.setup.data, 60, 0, 0});
    CHECK(RelayBurst(s.rx, s.tx, 4) == -1);
    CHECK(Receive(s, pool) == 1);
  }
}

TEST("section: what the peer writes into our section changes nothing that we rely on") {
  Sections s(0x8000, 32);
  Pool pool(256);
  CHECK(s.tx.StartSection(s.setup) == StartError::kNone);
  for (uint32_t round = 0; round < 200; round++) {
    CHECK(Send(s, pool, 6) == 6);
    // Descriptors, available ring and data, not the peer's own used ring.
    std::memset(s.memory(0), static_cast<int>(round * 57), s.setup.size);
    s.Return(6);
  }
  const std::string frame = Bytes(64, 9);
  const uint32_t id = pool.Make(frame);
  CHECK(TxBurst(s.tx, *pool, &id, 1) == 1);
  const VringDesc d = s.desc(0)[1200 % 32];
  CHECK(d.len == 64 && d.flags == 0 && d.addr >= s.setup.data && d.addr + d.len <= s.setup.size);
  CHECK(std::memcmp(s.memory(0) + d.addr, frame.data(), 64) == 0);
  CHECK(s.avail(0)->idx == 1201);
}

TEST("section: a peer that changes everything all the time does no harm") {
  std::atomic<bool> stop{false};
  Sections s(0x8000, 32, 12, 1518, uint64_t{1} << VIRTIO_NET_F_CSUM | uint64_t{1} << VIRTIO_NET_F_HOST_TSO4);
  // The pieces that the peer rewrites: words, as a processor writes them.
  std::thread peer([&] {
    uint32_t x = 1;
    while (!stop.load(std::memory_order_relaxed)) {
      x = x * 1664525 + 1013904223;
      const uint32_t id = x >> 8 & 31;
      uint64_t* words = reinterpret_cast<uint64_t*>(&s.desc(1)[id]);
      StoreOnce(words, (x & 0x700) ? s.setup.data + (x >> 16) : ~uint64_t{x});
      StoreOnce(words + 1, uint64_t{x >> 20} | uint64_t{(x & 0xff) == 0} << 32);
      StoreOnce(&s.avail(1)->ring[id], static_cast<uint16_t>((x & 0xfff) == 7 ? x >> 4 : id));
      StoreOnce(&s.avail(1)->idx, static_cast<uint16_t>(x >> 12 & 31));
      StoreOnce(&s.used(1)->ring[id].id, (x & 0x3f) ? id : x);
      StoreOnce(&s.used(1)->ring[id].len, 1u);
      StoreOnce(&s.used(1)->idx, static_cast<uint16_t>(x >> 13 & 31));
    }
  });
  Pool pool(128, 512);
  uint32_t broken = 0;
  for (uint32_t round = 0; round < 3000; round++) {
    if (s.tx.state.load() != QueueState::kRunning) broken += s.tx.StartSection(s.setup) == StartError::kNone;
    if (s.rx.state.load() != QueueState::kRunning) broken += s.rx.StartSection(s.setup) == StartError::kNone;
    Receive(s, pool);
    Send(s, pool);
    RelayBurst(s.rx, s.tx, 8);
    for (uint32_t i = Reserve(s.tx, 4); i > 0; i--) s.tx.burst.slots.length[i - 1] = 60;
    Commit(s.tx, 2);
    Release(s.rx, Peek(s.rx, 4));
    CHECK(pool->available() == 128);
    if (check::failures_in_case) break;
  }
  stop = true;
  peer.join();
  CHECK(broken > 2);
}
