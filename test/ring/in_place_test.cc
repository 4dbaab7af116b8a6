// SPDX-License-Identifier: BSD-3-Clause
// Packets written and read in the peer's own buffers, and relayed from peer to peer.
#include "burst/in_place.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/peer_traffic.h"
#include "burst/relay.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

namespace {

constexpr uint64_t kPackedBit = uint64_t{1} << VIRTIO_F_RING_PACKED;
constexpr uint64_t kCsumBit = uint64_t{1} << VIRTIO_NET_F_CSUM;
constexpr uint32_t kSize = 16, kBuffer = 2048;

// A peer whose driver is the built-in one.
struct Pair {
  Peer peer;
  PeerTraffic driver;

  Pair(QueueRole device_role, uint64_t features, uint32_t size = kSize)
      : peer(size, 0x10000 + size * kBuffer) {
    const QueueRole other = device_role == QueueRole::kRx ? QueueRole::kTx : QueueRole::kRx;
    CHECK(driver.Init(other, {peer.at(kGpa), peer.bytes(), 0, 0x4000, 0x8000, 0x10000, kGpa, size, kBuffer,
                              Modern() | features, -1}));
    const uint16_t start = features & kPackedBit ? VRING_PACKED_WRAP : 0;
    CHECK(peer.Start(device_role, Modern() | features, start) == StartError::kNone);
    const std::string frame = Bytes(64);
    CHECK(driver.SetTemplate(reinterpret_cast<const uint8_t*>(frame.data()), 64));
  }
  DeviceQueue& queue() { return peer.queue; }
  uint8_t* Packet(uint32_t slot) {
    const InPlaceSlots& s = peer.queue.burst.slots;
    return peer.at(kGpa) + (uint64_t{s.window} << kWindowBits) + s.offset[slot];
  }
};

std::vector<uint64_t> Rings() {
  std::vector<uint64_t> all;
  for (uint64_t packed : {0, 1})
    for (uint64_t in_order : {0, 1})
      all.push_back(packed << VIRTIO_F_RING_PACKED | in_order << VIRTIO_F_IN_ORDER);
  return all;
}

}  // namespace

TEST("in place: what is peeked and written into reserved buffers arrives, over many rounds of both rings") {
  for (uint64_t features : Rings()) {
    Pair out(QueueRole::kRx, features), in(QueueRole::kTx, features);
    uint64_t moved = 0;
    for (int round = 0; round < 300; round++) {
      out.driver.Generate(5);
      const uint32_t packets = Peek(out.queue(), 7);
      const uint32_t room = Reserve(in.queue(), 6);
      const uint32_t n = std::min({packets, room, 1u + static_cast<uint32_t>(round) % 5});
      for (uint32_t i = 0; i < n; i++) {
        CHECK(out.queue().burst.slots.length[i] == 64);
        CHECK(in.queue().burst.slots.room[i] == kBuffer - 12);
        std::memcpy(in.Packet(i), out.Packet(i), 64);
        in.queue().burst.slots.length[i] = 64;
      }
      CHECK(Commit(in.queue(), n) == n);
      CHECK(Release(out.queue(), n) == n);
      moved += n;
      in.driver.Receive(32, true);
    }
    CHECK(moved > 800);
    CHECK(in.driver.counters.packets == moved);
    CHECK(in.driver.counters.bad_checksum + in.driver.counters.out_of_sequence == 0);
    CHECK(in.queue().counters.good_packets == moved && out.queue().counters.good_packets == moved);
    CHECK(in.driver.counters.ring_errors + out.driver.counters.ring_errors == 0);
  }
}

TEST("in place: what is not committed or released stays for the next time") {
  for (uint64_t features : Rings()) {
    Pair out(QueueRole::kRx, features);
    Pool pool;
    out.driver.Generate(3);
    CHECK(Peek(out.queue(), 64) == 3);
    CHECK(Peek(out.queue(), 64) == 0);  // one at a time
    uint32_t ids[8];
    CHECK(RxBurst(out.queue(), *pool, ids, 8) == 0);  // a burst waits
    CHECK(out.queue().Arm());
    CHECK(Release(out.queue(), 1) == 1);
    CHECK(Release(out.queue(), 1) == 0);
    CHECK(RxBurst(out.queue(), *pool, ids, 8) == 2);
  }
}

TEST("in place: a length of 0 or beyond the room ends the commit before it") {
  for (uint32_t bad : {0u, kBuffer - 11, 0xffffffffu}) {
    Pair in(QueueRole::kTx, 0);
    CHECK(Reserve(in.queue(), 4) == 4);
    for (uint32_t i = 0; i < 4; i++) {
      in.queue().burst.slots.length[i] = i == 2 ? bad : 64;
      in.queue().burst.slots.room[i] = 0xffffffff;  // JavaScript's copy is not trusted
    }
    CHECK(Commit(in.queue(), 4) == 2);
    CHECK(in.peer.used()->idx == 2);
  }
}

TEST("in place: other shapes are left to bursts") {
  Peer peer;
  Pool pool;
  peer.Start(QueueRole::kRx, Modern() | kCsumBit);
  peer.OfferPacket(Bytes(60, 1), {72});
  peer.OfferPacket(Bytes(60, 2), {12, 60});
  CHECK(Peek(peer.queue, 8) == 1);
  CHECK(Release(peer.queue, 1) == 1);
  CHECK(Peek(peer.queue, 8) == 0);
  uint32_t ids[8];
  CHECK(RxBurst(peer.queue, *pool, ids, 8) == 1);
  // A header that requests a checksum.
  const uint16_t head = peer.OfferPacket(Bytes(60, 3), {72});
  *peer.at(peer.desc()[head].addr) = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  CHECK(Peek(peer.queue, 8) == 0);
  CHECK(RxBurst(peer.queue, *pool, ids, 8) == 1);
  CHECK(pool->ol_flags()[ids[0]] == MBUF_F_NEEDS_CSUM);
}

TEST("in place: packets that are shown together lie in one mapping") {
  Peer peer;
  // The second half of the buffers belongs to another mapping.
  const uint32_t half = 0x10000 + 2 * 2048;
  peer.table.Build(
      {{kGpa, half, peer.at(kGpa), 1, 0}, {kGpa + half, peer.bytes() - half, peer.at(kGpa) + half, 2, 0}});
  CHECK(peer.Start(QueueRole::kTx) == StartError::kNone);
  for (int i = 0; i < 4; i++) peer.OfferBuffers({2048});
  for (uint32_t mapping : {1u, 2u}) {
    CHECK(Reserve(peer.queue, 8) == 2);
    const InPlaceSlots& s = peer.queue.burst.slots;
    CHECK(s.mapping == mapping);
    CHECK(s.offset[1] == (mapping == 1 ? 0x10000u : 0u) + 2048 + 12);
    peer.queue.burst.slots.length[0] = peer.queue.burst.slots.length[1] = 64;
    CHECK(Commit(peer.queue, 2) == 2);
  }
}

TEST("in place: a thread that stops the queue waits until the application is done") {
  Pair in(QueueRole::kTx, 0);
  CHECK(Reserve(in.queue(), 1) == 1);
  std::atomic<bool> stopped{false};
  std::thread other([&] {
    in.queue().Quiesce();
    stopped = true;
  });
  while (in.queue().state.load() == QueueState::kRunning) std::this_thread::yield();
  CHECK(!stopped);
  std::memset(in.Packet(0), 7, 64);
  in.queue().burst.slots.length[0] = 64;
  CHECK(Commit(in.queue(), 1) == 1);
  other.join();
  CHECK(stopped);
  CHECK(Reserve(in.queue(), 1) == 0);
  CHECK(in.driver.Receive(1, false) == 1);
}

TEST("relay: packets go from ring to ring, none lost, none changed, whatever the kinds of ring") {
  for (uint64_t from : Rings()) {
    for (uint64_t to : Rings()) {
      for (uint64_t csum : {uint64_t{0}, kCsumBit}) {
        Pair out(QueueRole::kRx, from | csum), in(QueueRole::kTx, to);
        uint64_t moved = 0;
        for (int round = 0; round < 200; round++) {
          out.driver.Generate(9);
          const int32_t n = RelayBurst(out.queue(), in.queue(), 32);
          CHECK(n >= 0);
          moved += static_cast<uint32_t>(n);
          // The receiver is slower now and then: packets wait in the sender's ring.
          if (round % 3) in.driver.Receive(32, true);
        }
        in.driver.Receive(64, true);
        CHECK(moved > 1000);
        CHECK(in.driver.counters.packets == moved);
        CHECK(in.driver.counters.bad_checksum + in.driver.counters.out_of_sequence == 0);
        CHECK(in.queue().counters.good_packets == moved);
        CHECK(out.queue().counters.size_bins[0] == moved);
      }
    }
  }
}

TEST("relay: packets leave with other addresses, and are counted as they came and as they leave") {
  const Addresses addresses = {{0xffffffff, 0x0002ffff, 0x01000000}};  // broadcast, from 02:00:00:00:00:01
  const std::string twelve(reinterpret_cast<const char*>(addresses.words), sizeof addresses.words);
  for (uint64_t csum : {uint64_t{0}, kCsumBit}) {
    Peer out(16), in(16);
    CHECK(out.Start(QueueRole::kRx, Modern() | csum) == StartError::kNone);
    CHECK(in.Start(QueueRole::kTx) == StartError::kNone);
    uint16_t moved = 0;
    for (uint32_t len : {14u, 60u, 64u, 1514u}) {
      const std::string frame = Bytes(len, len);
      out.OfferPacket(frame, {12 + len});
      in.OfferBuffers({2048});
      CHECK(RelayBurst(out.queue, in.queue, 32, &addresses) == 1);
      CHECK(in.UsedBytes(moved, static_cast<uint16_t>(moved + 1)).substr(12) == twelve + frame.substr(12));
      moved++;
    }
    CHECK(out.queue.counters.broadcast_packets == 0);
    CHECK(in.queue.counters.broadcast_packets == moved && in.queue.counters.good_packets == moved);
  }
}

TEST("relay: a full burst waits for buffers for three, for a bounded time; a smaller one never waits") {
  for (uint64_t features : Rings()) {
    Pair out(QueueRole::kRx, features, 256), in(QueueRole::kTx, features, 256);
    const auto relay = [&] { return RelayBurst(out.queue(), in.queue(), 32); };
    CHECK(out.driver.Generate(250) == 250);
    for (int burst = 0; burst < 6; burst++) CHECK(relay() == 32);
    // 64 of the receiver's 256 buffers are left, and 58 packets wait.
    for (int call = 0; call < 31; call++) CHECK(relay() == 0);
    CHECK(out.queue().counters.empty_bursts + in.queue().counters.empty_bursts == 0);
    CHECK(relay() == 32);
    CHECK(relay() == 26);
    CHECK(in.driver.Receive(256, true) == 250);
    CHECK(out.driver.Generate(250) == 250);
    for (int burst = 0; burst < 6; burst++) CHECK(relay() == 32);
    CHECK(relay() == 0);
    // The receiver posted more: no need to wait any longer.
    CHECK(in.driver.Receive(32, true) == 32);
    CHECK(relay() == 32);
    CHECK(in.driver.counters.bad_checksum + in.driver.counters.out_of_sequence == 0);
  }
}

TEST("relay: reports a packet or a buffer that needs a burst, after moving those before it") {
  Peer out, in;
  Pool pool;
  out.Start(QueueRole::kRx);
  in.Start(QueueRole::kTx);
  out.OfferPacket(Bytes(60, 1), {72});
  out.OfferPacket(Bytes(60, 2), {12, 60});
  out.OfferPacket(Bytes(60, 3), {72});
  in.OfferBuffers({2048});
  in.OfferBuffers({2048});
  CHECK(RelayBurst(out.queue, in.queue, 32) == 1);
  CHECK(RelayBurst(out.queue, in.queue, 32) == -1);
  uint32_t ids[8];
  CHECK(RxBurst(out.queue, *pool, ids, 1) == 1);
  CHECK(TxBurst(in.queue, *pool, ids, 1) == 1);
  CHECK(RelayBurst(out.queue, in.queue, 32) == 0);  // no room
  in.OfferBuffers({40, 2000});
  CHECK(RelayBurst(out.queue, in.queue, 32) == -1);
  CHECK(out.used()->idx == 2 && in.used()->idx == 2);
}

TEST("relay: a peer that breaks the rules stops its own ring, by way of the burst") {
  Peer out, in;
  Pool pool;
  out.Start(QueueRole::kRx);
  in.Start(QueueRole::kTx);
  in.OfferBuffers({2048});
  out.Offer(0xffff);
  CHECK(RelayBurst(out.queue, in.queue, 32) == -1);
  uint32_t id;
  CHECK(RxBurst(out.queue, *pool, &id, 1) == 0);
  CHECK(out.broken() && !in.broken());
  CHECK(RelayBurst(out.queue, in.queue, 32) == 0);
  CHECK(in.queue.busy.load() == 0);
}

TEST("regression: relay: a receiver that is gone, or has broken its ring, does not stop the sender's") {
  Peer out, in;
  Pool pool;
  out.Start(QueueRole::kRx);
  out.OfferPacket(Bytes(60, 1), {72});
  CHECK(RelayBurst(out.queue, in.queue, 32) == -1);
  in.Start(QueueRole::kTx);
  CHECK(RelayBurst(out.queue, in.queue, 32) == 0);  // it may have room soon
  in.Offer(0xffff);
  CHECK(RelayBurst(out.queue, in.queue, 32) == -1);
  uint32_t id;
  CHECK(RxBurst(out.queue, *pool, &id, 1) == 1);
  CHECK(TxBurst(in.queue, *pool, &id, 1) == 0 && in.broken());
  CHECK(RelayBurst(out.queue, in.queue, 32) == -1);
  CHECK(out.queue.busy.load() == 0 && in.queue.busy.load() == 0);
}
