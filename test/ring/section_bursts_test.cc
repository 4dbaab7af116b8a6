// SPDX-License-Identifier: BSD-3-Clause
// What else a section's queues do: offloads, notification, in place, relay, repeat.
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/in_place.h"
#include "burst/relay.h"
#include "burst/repeat.h"
#include "check.h"
#include "gso_frame.h"
#include "section_rig.h"

using namespace mock;

namespace {

constexpr uint64_t Bit(int n) { return uint64_t{1} << n; }
constexpr uint64_t kOffloads = Bit(VIRTIO_NET_F_CSUM) | Bit(VIRTIO_NET_F_GUEST_CSUM) |
                               Bit(VIRTIO_NET_F_GUEST_TSO4) | Bit(VIRTIO_NET_F_HOST_TSO4);

uint32_t MakeGso(Pool& pool, const GsoFrame& g, const std::string& payload, uint32_t gso) {
  const uint32_t id = pool.Make(g.Make(payload));
  pool->ol_flags()[id] = g.flags();
  pool->csum_start()[id] = static_cast<uint16_t>(g.l4());
  pool->csum_offset()[id] = g.csum_offset();
  pool->gso_size()[id] = static_cast<uint16_t>(gso);
  return id;
}

// The frames that the other end receives, without their mbufs.
std::vector<std::string> Take(DeviceQueue& rx, Pool& pool, uint16_t* flags = nullptr) {
  std::vector<std::string> frames;
  uint32_t ids[64];
  const uint32_t n = RxBurst(rx, *pool, ids, 64);
  for (uint32_t i = 0; i < n; i++) frames.push_back(pool.Frame(ids[i]));
  if (flags && n > 0) *flags = pool->ol_flags()[ids[0]];
  pool->Free(ids, n);
  return frames;
}

}  // namespace

TEST("section: without a header, checksums and segments are finished before a frame is sent") {
  Sections s(0x40000, 64, 0, 1518, kOffloads);
  Pool pool(256);
  CHECK(s.Start());
  const GsoFrame g;
  const std::string payload = Bytes(7000);
  const uint32_t id = MakeGso(pool, g, payload, 1400);
  CHECK(TxBurst(s.tx, *pool, &id, 1) == 1);
  CHECK(Take(s.far_rx, pool) == ExpectedSegments(g, payload, 1400, true));
  const uint32_t one = MakeGso(pool, g, Bytes(100), 1400);
  pool->ol_flags()[one] = MBUF_F_NEEDS_CSUM;
  CHECK(TxBurst(s.tx, *pool, &one, 1) == 1);
  CHECK(Take(s.far_rx, pool) == ExpectedSegments(g, Bytes(100), 1400, true));
  CHECK(pool->available() == 256 && s.tx.counters.errors == 0);
}

TEST("section: with a header, the receiver gets the work that is left") {
  Sections s(0x40000, 64, 12, 9018, kOffloads);
  Pool pool(256);
  CHECK(s.Start());
  const GsoFrame g;
  const std::string payload = Bytes(7000);
  const uint32_t id = MakeGso(pool, g, payload, 1400);
  CHECK(TxBurst(s.tx, *pool, &id, 1) == 1);
  uint16_t flags = 0;
  CHECK(Take(s.far_rx, pool, &flags) == std::vector<std::string>{g.Make(payload)});
  CHECK(flags == (MBUF_F_NEEDS_CSUM | MBUF_F_TSO4));
  // Larger than any frame: the sender cuts it after all.
  const std::string large = Bytes(20000);
  const uint32_t cut = MakeGso(pool, g, large, 1400);
  CHECK(TxBurst(s.tx, *pool, &cut, 1) == 1);
  CHECK(Take(s.far_rx, pool) == ExpectedSegments(g, large, 1400, false));
}

TEST("section: a packet that is cut keeps the rest when the room runs out") {
  Sections s(0x8000, 32, 0, 1518);
  Pool pool(256);
  CHECK(s.Start());
  const GsoFrame g;
  const std::string payload = Bytes(50000);
  const uint32_t id = MakeGso(pool, g, payload, 1400);
  std::vector<std::string> got;
  for (uint32_t taken = 0, round = 0; taken == 0 && round < 10; round++) {
    taken = TxBurst(s.tx, *pool, &id, 1);
    for (const std::string& frame : Take(s.far_rx, pool)) got.push_back(frame);
  }
  CHECK(got == ExpectedSegments(g, payload, 1400, true));
  CHECK(pool->available() == 256);
}

TEST("section: the peer is notified of what it asks for") {
  Sections s;
  Pool pool;
  CHECK(s.Start());
  const auto send = [&] {
    const uint32_t id = pool.Make(Bytes(60));
    return TxBurst(s.tx, *pool, &id, 1);
  };
  // Nobody listens; without a descriptor only the suppressed ones are counted.
  CHECK(*s.avail_event(1) == 0xffff && *s.used_event(0) == 0xffff);
  send();
  CHECK(s.tx.counters.guest_notifications_suppressed == 1);
  *s.avail_event(1) = 1;
  send();
  CHECK(s.tx.counters.guest_notifications_suppressed == 1);
  // The receiver tells the sender as the sender asks: by the used event in the sender's section.
  Take(s.far_rx, pool);
  CHECK(s.far_rx.counters.guest_notifications_suppressed == 1);
  *s.used_event(0) = 2;
  send();
  Take(s.far_rx, pool);
  CHECK(s.far_rx.counters.guest_notifications_suppressed == 1);
  CHECK(s.far_rx.Arm());
  CHECK(*s.avail_event(1) == 3);
  send();
  CHECK(!s.far_rx.Arm());
}

TEST("section: an event index that was passed never comes up again") {
  Sections s;
  Pool pool;
  CHECK(s.Start());
  for (uint32_t i = 0; i < 70000; i++) {
    const uint32_t id = pool.Make(Bytes(60));
    CHECK(TxBurst(s.tx, *pool, &id, 1) == 1);
    uint32_t got;
    CHECK(RxBurst(s.far_rx, *pool, &got, 1) == 1);
    pool->Free(&got, 1);
    // One more suppressed by each end: never a frame of which the other wants to hear.
    if (s.far_rx.counters.guest_notifications_suppressed != i + 1) break;
  }
  CHECK(s.far_rx.counters.guest_notifications_suppressed == 70000);
}

TEST("section: frames written in place, of any length, and those not sent are free again") {
  for (uint32_t hdr_bytes : {0u, 12u}) {
    Sections s(0x8000, 32, hdr_bytes, 1518);
    Pool pool(64);
    CHECK(s.Start());
    for (uint32_t round = 0; round < 300; round++) {
      const uint32_t n = Reserve(s.tx, 1 + round % 9);
      CHECK(n == 1 + round % 9);
      CHECK(s.tx.burst.slots.mapping == 1 && s.tx.burst.slots.room[0] == 1518);
      std::vector<std::string> frames;
      for (uint32_t i = 0; i < n; i++) {
        frames.push_back(Bytes(14 + (round * 97 + i * 31) % 1505, round + i));
        std::memcpy(s.memory(0) + s.tx.burst.slots.offset[i], frames[i].data(), frames[i].size());
        s.tx.burst.slots.length[i] = static_cast<uint32_t>(frames[i].size());
      }
      const uint32_t sent = n - round % 2;
      frames.resize(sent);
      CHECK(Commit(s.tx, sent) == sent);
      CHECK(Take(s.far_rx, pool) == frames);
      if (check::failures_in_case) return;
    }
    // A length beyond the room ends it.
    CHECK(Reserve(s.tx, 2) == 2);
    s.tx.burst.slots.length[0] = 60;
    s.tx.burst.slots.length[1] = 1519;
    CHECK(Commit(s.tx, 2) == 1);
  }
}

TEST("section: a reservation has room for few large frames or for many usual ones, and leaves room") {
  Sections s(0x7f000, 2048, 12, 65550);
  CHECK(s.Start());
  CHECK(Reserve(s.tx, 1) == 1 && s.tx.burst.slots.room[0] == 65550);
  CHECK(Commit(s.tx, 0) == 0);
  for (uint32_t burst = 0; burst < 3; burst++) {
    CHECK(Reserve(s.tx, 32) == 32);
    CHECK(s.tx.burst.slots.room[0] >= 2048 && s.tx.burst.slots.room[31] < 4096);
    for (uint32_t i = 0; i < 32; i++) s.tx.burst.slots.length[i] = 64;
    CHECK(Commit(s.tx, 32) == 32);
  }
  CHECK(Reserve(s.tx, 0) == 0);
}

TEST("section: packets shown in place are those of the peer's section") {
  Sections s(0x10000, 64, 12);
  Pool pool;
  CHECK(s.Start());
  const std::string frame = Bytes(100);
  uint32_t ids[] = {pool.Make(frame), pool.Make(Bytes(60))};
  CHECK(TxBurst(s.far_tx, *pool, ids, 2) == 2);
  CHECK(Peek(s.rx, 8) == 2);
  CHECK(s.rx.burst.slots.mapping == 2 && s.rx.burst.slots.length[0] == 100);
  CHECK(std::memcmp(s.memory(1) + s.rx.burst.slots.offset[0], frame.data(), 100) == 0);
  CHECK(Release(s.rx, 1) == 1);
  CHECK(s.used(0)->idx == 1 && s.used(0)->ring[0].len == 1);
  CHECK(Take(s.rx, pool).size() == 1);
}

TEST("section: relays from and to sections and virtqueues") {
  for (uint32_t from_header : {0u, 12u})
    for (uint32_t to_header : {0u, 12u}) {
      Sections a(0x10000, 64, from_header), b(0x10000, 64, to_header, 1000);
      Peer sender(64), receiver(64);
      Pool pool(256);
      CHECK(a.Start() && b.Start());
      CHECK(sender.Start(QueueRole::kRx) == StartError::kNone);
      CHECK(receiver.Start(QueueRole::kTx) == StartError::kNone);
      std::vector<std::string> frames;
      uint32_t ids[40];
      for (uint32_t i = 0; i < 40; i++) {
        frames.push_back(Bytes(60 + i * 20, i));
        ids[i] = pool.Make(frames[i]);
      }
      CHECK(TxBurst(a.far_tx, *pool, ids, 40) == 40);
      CHECK(RelayBurst(a.rx, b.tx, 64) == 40);
      CHECK(Take(b.far_rx, pool) == frames);
      // From a section to a virtqueue.
      for (uint32_t i = 0; i < 3; i++) ids[i] = pool.Make(frames[i]);
      for (uint32_t i = 0; i < 3; i++) receiver.OfferBuffers({2048});
      CHECK(TxBurst(a.far_tx, *pool, ids, 3) == 3);
      CHECK(RelayBurst(a.rx, receiver.queue, 8) == 3);
      for (uint16_t i = 0; i < 3; i++)
        CHECK(receiver.UsedBytes(i, static_cast<uint16_t>(i + 1)).substr(12) == frames[i]);
      // From a virtqueue to a section; then one that is larger than the section's largest frame.
      sender.OfferPacket(frames[5], {static_cast<uint32_t>(12 + frames[5].size())});
      sender.OfferPacket(Bytes(1001), {1013});
      CHECK(RelayBurst(sender.queue, b.tx, 8) == 1);
      CHECK(Take(b.far_rx, pool) == std::vector<std::string>{frames[5]});
      CHECK(RelayBurst(sender.queue, b.tx, 8) == -1);
      CHECK(a.used(0)->ring[0].len == 1);
      CHECK(pool->available() == 256);
    }
}

TEST("section: what is relayed to a section may leave with other addresses") {
  const Addresses addresses = {{0x0d0c0b0a, 0x00020f0e, 0x01000000}};
  const std::string twelve(reinterpret_cast<const char*>(addresses.words), sizeof addresses.words);
  Sections a(0x10000, 64, 0), b(0x10000, 64, 12);
  Pool pool(8);
  CHECK(a.Start() && b.Start());
  const std::string frame = Bytes(64);
  uint32_t id = pool.Make(frame);
  CHECK(TxBurst(a.far_tx, *pool, &id, 1) == 1);
  CHECK(RelayBurst(a.rx, b.tx, 8, &addresses) == 1);
  CHECK(Take(b.far_rx, pool) == std::vector<std::string>{twelve + frame.substr(12)});
}

TEST("section: a relay takes no more than the section has room for") {
  Sections a(0x10000, 64), b(0x8000, 32, 0, 1518);
  Pool pool(128);
  CHECK(a.Start() && b.Start());
  uint32_t ids[30];
  for (uint32_t i = 0; i < 30; i++) ids[i] = pool.Make(Bytes(1500, i));
  CHECK(TxBurst(a.far_tx, *pool, ids, 30) == 30);
  const uint32_t first = static_cast<uint32_t>(RelayBurst(a.rx, b.tx, 64));
  CHECK(first > 0 && first < 30 && a.used(0)->idx == first);
  CHECK(RelayBurst(a.rx, b.tx, 64) == 0);
  CHECK(Take(b.far_rx, pool).size() == first);
  CHECK(static_cast<uint32_t>(RelayBurst(a.rx, b.tx, 64)) == 30 - first);
  CHECK(Take(b.far_rx, pool).size() == 30 - first);
}

TEST("section: a relay leaves a packet with an offload to bursts of mbufs") {
  Sections a(0x40000, 64, 12, 9018, kOffloads), b(0x40000, 64, 12, 9018, kOffloads);
  Pool pool(64);
  CHECK(a.Start() && b.Start());
  const GsoFrame g;
  uint32_t ids[] = {pool.Make(Bytes(60)), MakeGso(pool, g, Bytes(5000), 1400), pool.Make(Bytes(61))};
  CHECK(TxBurst(a.far_tx, *pool, ids, 3) == 3);
  CHECK(RelayBurst(a.rx, b.tx, 8) == 1);
  CHECK(RelayBurst(a.rx, b.tx, 8) == -1);
  CHECK(Take(b.far_rx, pool) == std::vector<std::string>{Bytes(60)});
  CHECK(RxBurst(a.rx, *pool, ids, 1) == 1 && TxBurst(b.tx, *pool, ids, 1) == 1);
  CHECK(RelayBurst(a.rx, b.tx, 8) == 1);
  CHECK(Take(b.far_rx, pool).size() == 2);
}

TEST("section: one packet many times") {
  Sections s(0x10000, 64, 12, 1518);
  Pool pool(256);
  CHECK(s.Start());
  const std::string frame = Bytes(64);
  const uint32_t id = pool.Make(frame);
  for (uint32_t round = 0; round < 20; round++) {
    CHECK(Repeat(s.tx, *pool, id, 64, 50) == 50);
    CHECK(Repeat(s.tx, *pool, id, 64, 50) == 14);
    CHECK(Take(s.far_rx, pool) == std::vector<std::string>(64, frame));
  }
  CHECK(Repeat(s.tx, *pool, id, 1519, 1) == -1);
  CHECK(Repeat(s.tx, *pool, id, 1518, 1) == 1);
  CHECK(s.tx.counters.good_packets == 20 * 64 + 1);
}
