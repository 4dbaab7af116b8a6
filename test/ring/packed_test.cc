// SPDX-License-Identifier: BSD-3-Clause
// Packed rings in the device role, against a handmade driver: lists, indirect tables, wrapping, order,
// mergeable buffers, and a peer that breaks the rules.
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "check.h"
#include "mock_peer.h"
#include "ring/packed_ring.h"

using namespace mock;

namespace {

constexpr uint64_t kPackedBit = uint64_t{1} << VIRTIO_F_RING_PACKED;
constexpr uint64_t kInOrderBit = uint64_t{1} << VIRTIO_F_IN_ORDER;
constexpr uint16_t kAvail = VRING_PACKED_DESC_F_AVAIL, kUsed = VRING_PACKED_DESC_F_USED;

// A driver that writes one slot after another and keeps no other state.
struct Driver {
  Peer peer;
  uint32_t at = 0;
  bool wrap = true;

  explicit Driver(QueueRole role, uint32_t size = 16, uint64_t more = 0) : peer(size) {
    CHECK(peer.Start(role, Modern() | kPackedBit | more, VRING_PACKED_WRAP) == StartError::kNone);
  }

  // One list of buffers, its first slot written last; returns its first slot.
  uint32_t Offer(const std::vector<VringPackedDesc>& list) {
    const uint32_t first = at;
    uint16_t first_flags = 0;
    for (size_t i = 0; i < list.size(); i++) {
      VringPackedDesc d = list[i];
      if (i + 1 < list.size()) d.flags |= VRING_DESC_F_NEXT;
      d.flags |= wrap ? kAvail : kUsed;
      if (i == 0) {
        first_flags = d.flags;
        d.flags = wrap ? 0 : (kAvail | kUsed);  // from the previous lap
      }
      peer.slots()[at] = d;
      if (++at == peer.size()) {
        at = 0;
        wrap = !wrap;
      }
    }
    peer.slots()[first].flags = first_flags;
    return first;
  }

  // A packet of header and `frame`, split into pieces.
  uint32_t OfferPacket(const std::string& frame, const std::vector<uint32_t>& cuts, uint16_t id) {
    const std::string all = std::string(12, '\0') + frame;
    std::vector<VringPackedDesc> list;
    size_t done = 0;
    for (uint32_t c : cuts) {
      const uint64_t gpa = peer.Allocate(c);
      std::memcpy(peer.at(gpa), all.data() + done, c);
      done += c;
      list.push_back({gpa, c, id, 0});
    }
    return Offer(list);
  }

  uint64_t OfferBuffer(uint32_t len, uint16_t id) {
    const uint64_t gpa = peer.Allocate(len);
    Offer({{gpa, len, id, VRING_DESC_F_WRITE}});
    return gpa;
  }

  bool IsUsed(uint32_t slot, bool round) {
    const uint16_t both = kAvail | kUsed;
    return (peer.slots()[slot].flags & both) == (round ? both : 0);
  }
};

}  // namespace

TEST("packed rx: lists of any cut, in slots that wrap around, one used descriptor a list") {
  for (uint32_t size : {5u, 16u, 33u}) {
    Driver d(QueueRole::kRx, size);
    Pool pool;
    bool round = true;
    for (uint32_t i = 0; i < 200; i++) {
      const std::string frame = Bytes(64, i);
      const uint32_t cut = 1 + i % 60;
      const uint16_t id = static_cast<uint16_t>(i % size);
      std::vector<uint32_t> cuts = {76};
      if (i % 3 == 1) cuts = {cut, 76 - cut};
      if (i % 3 == 2) cuts = {cut, 8, 68 - cut};
      const bool was = d.wrap;
      const uint32_t first = d.OfferPacket(frame, cuts, id);
      round = was;
      uint32_t mbuf;
      CHECK(RxBurst(d.peer.queue, *pool, &mbuf, 1) == 1);
      CHECK(pool.Frame(mbuf) == frame);
      CHECK(d.IsUsed(first, round));
      CHECK(d.peer.slots()[first].id == id);
      pool->Free(&mbuf, 1);
    }
    CHECK(!d.peer.broken());
    CHECK(pool->available() == 64);
  }
}

TEST("packed rx: a burst of buffers and lists together, seen in order of slots") {
  Driver d(QueueRole::kRx, 16);
  Pool pool;
  d.OfferPacket(Bytes(60, 1), {72}, 7);
  d.OfferPacket(Bytes(60, 2), {12, 60}, 3);
  d.OfferPacket(Bytes(60, 3), {72}, 9);
  uint32_t ids[8];
  CHECK(RxBurst(d.peer.queue, *pool, ids, 8) == 3);
  for (uint32_t i = 0; i < 3; i++) CHECK(pool.Frame(ids[i]) == Bytes(60, i + 1));
  CHECK(d.IsUsed(0, true) && d.peer.slots()[0].id == 7);
  CHECK(d.IsUsed(1, true) && d.peer.slots()[1].id == 3);
  CHECK(!d.IsUsed(2, true));  // the second slot of the list keeps what the driver wrote
  CHECK(d.IsUsed(3, true) && d.peer.slots()[3].id == 9);
  CHECK(d.peer.queue.Quiesce() == (4 | VRING_PACKED_WRAP));
}

TEST("packed rx: with IN_ORDER one used descriptor stands for the whole burst and names its last buffer") {
  Driver d(QueueRole::kRx, 16, kInOrderBit);
  Pool pool;
  for (uint16_t i = 0; i < 5; i++) d.OfferPacket(Bytes(60, i), {72}, i);
  uint32_t ids[8];
  CHECK(RxBurst(d.peer.queue, *pool, ids, 8) == 5);
  CHECK(d.IsUsed(0, true));
  CHECK(d.peer.slots()[0].id == 4);
  for (uint32_t slot = 1; slot < 5; slot++) CHECK(!d.IsUsed(slot, true));
}

TEST("packed rx: an indirect table is one slot, and its flags count for nothing") {
  Driver d(QueueRole::kRx);
  Pool pool;
  const std::string frame = Bytes(100);
  const uint64_t table = kGpa + 0x9000, hdr = d.peer.Allocate(12), data = d.peer.Allocate(100);
  std::memcpy(d.peer.at(data), frame.data(), 100);
  auto* t = reinterpret_cast<VringPackedDesc*>(d.peer.at(table));
  t[0] = {hdr, 12, 77, VRING_DESC_F_WRITE};   // as DPDK's driver leaves it
  t[1] = {data, 100, 78, VRING_DESC_F_NEXT};  // must be ignored (VIRTIO 1.2, 2.8.7)
  const uint32_t slot = d.Offer({{table, 32, 5, VRING_DESC_F_INDIRECT}});
  uint32_t id;
  CHECK(RxBurst(d.peer.queue, *pool, &id, 1) == 1);
  CHECK(pool.Frame(id) == frame);
  CHECK(d.peer.slots()[slot].id == 5);
  CHECK(d.peer.queue.Quiesce() == (1 | VRING_PACKED_WRAP));
}

TEST("packed tx: single buffers carry length and WRITE flag in their used descriptors") {
  Driver d(QueueRole::kTx, 4);
  Pool pool;
  for (uint32_t round = 0; round < 9; round++) {
    uint64_t gpas[4];
    const bool wrap = d.wrap;
    for (uint16_t i = 0; i < 4; i++) gpas[i] = d.OfferBuffer(2048, static_cast<uint16_t>(3 - i));
    uint32_t ids[4];
    for (uint32_t i = 0; i < 4; i++) ids[i] = pool.Make(Bytes(64 + i, round * 4 + i));
    CHECK(TxBurst(d.peer.queue, *pool, ids, 4) == 4);
    for (uint32_t i = 0; i < 4; i++) {
      CHECK(d.IsUsed(i, wrap));
      const VringPackedDesc& used = d.peer.slots()[i];
      CHECK(used.len == 76 + i && used.id == 3 - i && (used.flags & VRING_DESC_F_WRITE));
      CHECK(std::memcmp(d.peer.at(gpas[i]) + 12, Bytes(64 + i, round * 4 + i).data(), 64 + i) == 0);
    }
  }
  CHECK(TxBurst(d.peer.queue, *pool, std::vector<uint32_t>{pool.Make(Bytes(60))}.data(), 1) == 0);
}

TEST("packed tx: a large packet takes several entries, lists among them, which appear together") {
  Driver d(QueueRole::kTx, 16);
  Pool pool(64, 4096);
  std::vector<uint64_t> gpas;
  for (uint16_t i = 0; i < 3; i++) {
    const uint64_t a = d.peer.Allocate(100), b = d.peer.Allocate(900);
    d.Offer({{a, 100, i, VRING_DESC_F_WRITE}, {b, 900, i, VRING_DESC_F_WRITE}});
    gpas.push_back(a);
    gpas.push_back(b);
  }
  const std::string frame = Bytes(2500);
  const uint32_t id = pool.Make(frame, 4096);
  CHECK(TxBurst(d.peer.queue, *pool, &id, 1) == 1);
  const uint32_t lens[] = {1000, 1000, 512};
  std::string all;
  for (uint32_t i = 0; i < 3; i++) {
    CHECK(d.IsUsed(2 * i, true));
    CHECK(d.peer.slots()[2 * i].id == i && d.peer.slots()[2 * i].len == lens[i]);
    all.append(reinterpret_cast<char*>(d.peer.at(gpas[2 * i])), 100);
    all.append(reinterpret_cast<char*>(d.peer.at(gpas[2 * i + 1])), lens[i] - 100);
  }
  uint16_t num_buffers;
  std::memcpy(&num_buffers, all.data() + 10, 2);
  CHECK(num_buffers == 3);
  CHECK(all.substr(12) == frame);
}

TEST("packed: a queue goes on where it stopped, in the middle of a round") {
  Driver d(QueueRole::kRx, 5);
  Pool pool;
  for (uint32_t i = 0; i < 40; i++) {
    d.OfferPacket(Bytes(60, i), {72}, static_cast<uint16_t>(i % 5));
    uint32_t id;
    CHECK(RxBurst(d.peer.queue, *pool, &id, 1) == 1);
    CHECK(pool.Frame(id) == Bytes(60, i));
    pool->Free(&id, 1);
    const uint16_t at = d.peer.queue.Quiesce();
    CHECK(d.peer.Start(QueueRole::kRx, Modern() | kPackedBit, at) == StartError::kNone);
  }
}

TEST("packed: sizes and places that the ring cannot have are refused") {
  Peer peer(16);
  const uint64_t features = Modern() | kPackedBit;
  CHECK(peer.Start(QueueRole::kRx, features, 16) == StartError::kBadIndex);
  CHECK(peer.Start(QueueRole::kRx, features, 15) == StartError::kNone);
  peer.queue.Quiesce();
  const auto start = [&](uint64_t desc, uint64_t avail, uint64_t used, uint32_t size) {
    return peer.queue.Start({&peer.table, desc, avail, used, size, 0, features, -1});
  };
  const uint64_t d = peer.desc_gpa(), a = peer.avail_gpa(), u = peer.used_gpa();
  CHECK(start(d, a, u, 0) == StartError::kBadSize);
  CHECK(start(d, a, u, 32769) == StartError::kBadSize);
  CHECK(start(d + 8, a, u, 16) == StartError::kMisaligned);
  CHECK(start(d, a + 2, u, 16) == StartError::kMisaligned);
  CHECK(start(d, a, u + 2, 16) == StartError::kMisaligned);
  CHECK(start(peer.end() - 240, a, u, 16) == StartError::kOutsideMemory);
  CHECK(start(d, peer.end(), u, 16) == StartError::kOutsideMemory);
  CHECK(start(d, a, ~uint64_t{3}, 16) == StartError::kOutsideMemory);
  CHECK(start(d, a, u, 7) == StartError::kNone);
}

TEST("packed: descriptors that break the rules stop the queue and nothing else") {
  const auto breaks = [](QueueRole role, std::vector<VringPackedDesc> list) {
    Driver d(role, 8);
    Pool pool;
    d.Offer(list);
    uint32_t id = pool.Make(Bytes(60));
    if (role == QueueRole::kTx)
      CHECK(TxBurst(d.peer.queue, *pool, &id, 1) == 0);
    else
      CHECK(RxBurst(d.peer.queue, *pool, &id, 1) == 0);
    CHECK(d.peer.broken());
    CHECK(d.peer.queue.counters.invalid_desc == 1);
    CHECK(pool->available() == 63);
  };
  const uint64_t end = kGpa + (1 << 20), buffer = kGpa + 0x20000;
  breaks(QueueRole::kRx, {{end - 10, 72, 0, 0}});
  breaks(QueueRole::kRx, {{end, 72, 0, 0}});
  breaks(QueueRole::kRx, {{~uint64_t{0} - 8, 72, 0, 0}});
  breaks(QueueRole::kRx, {{buffer, 0xffffffff, 0, 0}});
  breaks(QueueRole::kRx, {{buffer, 72, 0, 0}, {end, 8, 0, 0}});
  breaks(QueueRole::kTx, {{end - 10, 2048, 0, VRING_DESC_F_WRITE}});
  // Tables: within a list, together with NEXT, of odd length, outside, within a table, misaligned.
  breaks(QueueRole::kRx, {{buffer, 72, 0, 0}, {buffer, 16, 0, VRING_DESC_F_INDIRECT}});
  breaks(QueueRole::kRx, {{buffer, 16, 0, VRING_DESC_F_INDIRECT}, {buffer, 72, 0, 0}});
  breaks(QueueRole::kRx, {{buffer, 17, 0, VRING_DESC_F_INDIRECT}});
  breaks(QueueRole::kRx, {{end - 8, 16, 0, VRING_DESC_F_INDIRECT}});
  breaks(QueueRole::kRx, {{buffer + 4, 16, 0, VRING_DESC_F_INDIRECT}});
  breaks(QueueRole::kRx, {{buffer, 0, 0, VRING_DESC_F_INDIRECT}});
}

TEST("packed: a list that never ends, and a ring that is all one list, are bounded") {
  Driver d(QueueRole::kRx, 8);
  Pool pool;
  for (uint32_t i = 0; i < 8; i++) d.peer.slots()[i] = {kGpa + 0x20000, 16, 0, VRING_DESC_F_NEXT | kAvail};
  uint32_t id;
  CHECK(RxBurst(d.peer.queue, *pool, &id, 1) == 0);
  CHECK(d.peer.broken());

  Driver whole(QueueRole::kRx, 4);
  whole.OfferPacket(Bytes(64, 5), {12, 20, 20, 24}, 2);
  CHECK(RxBurst(whole.peer.queue, *pool, &id, 1) == 1);
  CHECK(pool.Frame(id) == Bytes(64, 5));
  CHECK(whole.peer.queue.Quiesce() == 0);  // one lap on
}

TEST("packed tx: lists that claim more slots than the ring has left stop the queue") {
  Driver d(QueueRole::kTx, 4);
  Pool pool;
  d.OfferBuffer(20, 0);
  // A list that claims too much: four slots in a ring with three left.
  for (uint32_t i = 1; i < 4; i++)
    d.peer.slots()[i] = {kGpa + 0x20000, 16, 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | kAvail};
  d.peer.slots()[0].flags = VRING_DESC_F_WRITE | kAvail;
  const uint32_t id = pool.Make(Bytes(60));
  CHECK(TxBurst(d.peer.queue, *pool, &id, 1) == 0);
  CHECK(d.peer.broken());
}

TEST("regression: a list does not reach around into slots that were taken in the same burst") {
  Driver d(QueueRole::kRx, 3);
  Pool pool;
  d.OfferPacket(Bytes(60, 1), {72}, 0);
  const uint64_t buffer = d.peer.Allocate(100);
  d.peer.slots()[1] = {buffer, 30, 1, VRING_DESC_F_NEXT | kAvail};
  d.peer.slots()[2] = {buffer, 30, 1, VRING_DESC_F_NEXT | kAvail};
  uint32_t ids[4];
  CHECK(RxBurst(d.peer.queue, *pool, ids, 4) == 1);
  CHECK(d.peer.broken());
  CHECK(d.peer.queue.Quiesce() == (1 | VRING_PACKED_WRAP));
}

TEST("regression: an indirect table as long as the ring is legal, a longer one is not") {
  for (const bool packed : {false, true}) {
    for (const uint32_t entries : {4u, 5u}) {
      Peer peer(4);
      Pool pool;
      const uint64_t table = kGpa + 0x9000, data = peer.Allocate(20);
      peer.Start(QueueRole::kRx, Modern() | (packed ? kPackedBit : 0), packed ? VRING_PACKED_WRAP : 0);
      for (uint32_t i = 0; i < entries; i++) {
        if (packed)
          reinterpret_cast<VringPackedDesc*>(peer.at(table))[i] = {data, 20, 0, 0};
        else
          reinterpret_cast<VringDesc*>(peer.at(table))[i] = {
              data, 20, i + 1 < entries ? VRING_DESC_F_NEXT : uint16_t{0}, static_cast<uint16_t>(i + 1)};
      }
      if (packed) {
        peer.slots()[0] = {table, 16 * entries, 0, VRING_DESC_F_INDIRECT | kAvail};
      } else {
        peer.desc()[0] = {table, 16 * entries, VRING_DESC_F_INDIRECT, 0};
        peer.Offer(0);
      }
      uint32_t id;
      CHECK(RxBurst(peer.queue, *pool, &id, 1) == (entries == 4 ? 1u : 0u));
      CHECK(peer.broken() == (entries == 5));
    }
  }
}

TEST("packed: the position words follow the publications") {
  Driver d(QueueRole::kTx, 16);
  Pool pool(64, 4096);
  PositionWords words{0xdeadbeef, 77};
  const uint64_t features = Modern() | kPackedBit;
  d.peer.queue.Quiesce();
  RingSetup setup{&d.peer.table,
                  d.peer.desc_gpa(),
                  d.peer.avail_gpa(),
                  d.peer.used_gpa(),
                  16,
                  VRING_PACKED_WRAP,
                  features,
                  -1};
  setup.position = &words;
  setup.serial = 5;
  CHECK(d.peer.queue.Start(setup) == StartError::kNone);
  CHECK(words.serial == 5 && words.places == 0x80008000);

  for (uint16_t i = 0; i < 12; i++) d.OfferBuffer(600, i);
  uint32_t ids[3];
  for (uint32_t i = 0; i < 3; i++) ids[i] = pool.Make(Bytes(i == 1 ? 2000 : 64, i), 4096);
  CHECK(TxBurst(d.peer.queue, *pool, ids, 3) == 3);
  CHECK(words.places == 0x80068006);  // 1 + 4 + 1 slots
  for (uint32_t i = 0; i < 6; i++) CHECK(d.IsUsed(i, true));
  CHECK(!d.IsUsed(6, true));

  // The same ring resumes where it was; another serial means another ring.
  setup.last_avail_idx = d.peer.queue.Quiesce();
  CHECK(d.peer.queue.Start(setup) == StartError::kNone);
  CHECK(words.serial == 5 && words.places == 0x80068006);
  d.peer.queue.Quiesce();
  setup.serial = 6;
  setup.last_avail_idx = 3;
  CHECK(d.peer.queue.Start(setup) == StartError::kNone);
  CHECK(words.serial == 6 && words.places == 0x00030003);
}

TEST("regression: packed: a process that dies in a burst leaves no used descriptor behind one that is not") {
  Driver d(QueueRole::kTx, 16);
  Pool pool(64, 4096);
  for (uint16_t i = 0; i < 16; i++) d.OfferBuffer(600, i);
  PackedRing<false> ring(d.peer.queue);
  ring.Return(0, 0, 100);
  ring.Return(1, 1, 600);
  ring.Return(2, 2, 50, true);
  ring.Advance(3);
  for (uint32_t i = 0; i < 16; i++) CHECK(!d.IsUsed(i, true));
  ring.Publish();
  for (uint32_t i = 0; i < 3; i++) CHECK(d.IsUsed(i, true));
  CHECK(!d.IsUsed(3, true));
}
