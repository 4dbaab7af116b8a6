// SPDX-License-Identifier: BSD-3-Clause
// The driver role (the built-in peer) against the device role, and against a hostile back-end.
#include <thread>

#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/peer_traffic.h"
#include "check.h"
#include "mock_peer.h"
#include "packet/traffic.h"
#include "ring/packed_ring.h"
#include "ring/split_ring.h"

using namespace mock;

namespace {

constexpr uint32_t kSize = 64, kBuffer = 2048;
constexpr uint64_t kBuffers = 0x10000;

struct Pair {
  Peer peer{kSize, kBuffers + kSize* kBuffer};
  PeerTraffic driver;

  explicit Pair(QueueRole driver_role, uint64_t features = Modern()) {
    CHECK(driver.Init(driver_role, {peer.at(kGpa), peer.bytes(), 0, 0x4000, 0x8000, kBuffers, kGpa, kSize,
                                    kBuffer, features, -1}));
    const uint16_t start = HasFeature(features, VIRTIO_F_RING_PACKED) ? VRING_PACKED_WRAP : 0;
    CHECK(peer.Start(driver_role == QueueRole::kTx ? QueueRole::kRx : QueueRole::kTx, features, start) ==
          StartError::kNone);
  }
};

// Every kind of ring, with and without IN_ORDER and EVENT_IDX, mergeable or not.
std::vector<uint64_t> AllRings() {
  std::vector<uint64_t> all;
  for (uint64_t packed : {0, 1})
    for (uint64_t in_order : {0, 1})
      for (uint64_t event_idx : {0, 1})
        for (bool mergeable : {true, false})
          all.push_back(Modern(mergeable) | packed << VIRTIO_F_RING_PACKED | in_order << VIRTIO_F_IN_ORDER |
                        event_idx << VIRTIO_F_RING_EVENT_IDX);
  return all;
}

}  // namespace

TEST("generated frames travel through both roles with sequence and checksum right") {
  for (uint64_t features : AllRings()) {
    for (uint32_t len : {60u, 64u, 65u, 1518u, 2036u}) {
      Pair out(QueueRole::kTx, features), in(QueueRole::kRx, features);
      Pool pool;
      std::string frame = Bytes(len);
      CHECK(out.driver.SetTemplate(reinterpret_cast<const uint8_t*>(frame.data()), len));
      uint64_t done = 0;
      for (int i = 0; i < 200; i++) {
        out.driver.Generate(32);
        uint32_t ids[32];
        uint32_t n = RxBurst(out.peer.queue, *pool, ids, 32);
        CHECK(TxBurst(in.peer.queue, *pool, ids, n) == n);
        done += in.driver.Receive(64, true);
      }
      CHECK(done >= 6400 - 64);
      CHECK(in.driver.counters.packets == done);
      CHECK(in.driver.counters.bytes == done * len);
      CHECK(in.driver.counters.bad_checksum == 0);
      CHECK(in.driver.counters.out_of_sequence == 0);
      CHECK(in.driver.counters.bad_frame == 0);
      CHECK(in.driver.counters.ring_errors + out.driver.counters.ring_errors == 0);
    }
  }
}

TEST("jumbo frames are joined from mergeable buffers and checked") {
  for (uint64_t features : AllRings()) {
    if (!HasFeature(features, VIRTIO_NET_F_MRG_RXBUF)) continue;
    Pair in(QueueRole::kRx, features);
    Pool pool(64, 2048);
    std::string frame = Bytes(9000);
    std::memset(frame.data() + kTrafficSequenceAt, 0, 12);
    uint32_t checksum =
        FoldSum(WordSum(reinterpret_cast<const uint8_t*>(frame.data()) + 42, 9000 - 42), 9000);
    std::memcpy(frame.data() + kTrafficChecksumAt, &checksum, 4);
    uint32_t id = pool.Make(frame);
    CHECK(TxBurst(in.peer.queue, *pool, &id, 1) == 1);
    CHECK(in.driver.Receive(8, true) == 1);
    CHECK(in.driver.counters.bytes == 9000);
    CHECK(in.driver.counters.bad_checksum == 0);
    frame[5000] = static_cast<char>(frame[5000] ^ 1);
    id = pool.Make(frame);
    TxBurst(in.peer.queue, *pool, &id, 1);
    CHECK(in.driver.Receive(8, true) == 1);
    CHECK(in.driver.counters.bad_checksum == 1);
  }
}

TEST("echo gives every frame back with the addresses exchanged") {
  for (uint64_t features : AllRings()) {
    Pair in(QueueRole::kRx, features), out(QueueRole::kTx, features);
    Pool pool;
    for (int i = 0; i < 500; i++) {
      std::string frame = Bytes(64, i);
      uint32_t id = pool.Make(frame);
      CHECK(TxBurst(in.peer.queue, *pool, &id, 1) == 1);
      CHECK(in.driver.Echo(out.driver, 32) == 1);
      CHECK(RxBurst(out.peer.queue, *pool, &id, 1) == 1);
      CHECK(pool.Frame(id) == frame.substr(6, 6) + frame.substr(0, 6) + frame.substr(12));
      pool->Free(&id, 1);
    }
  }
}

TEST("a changed byte, a repeated frame and a short frame are each counted") {
  Pair out(QueueRole::kTx), in(QueueRole::kRx);
  Pool pool;
  std::string frame = Bytes(100);
  out.driver.SetTemplate(reinterpret_cast<const uint8_t*>(frame.data()), 100);
  out.driver.Generate(2);
  uint32_t ids[2];
  CHECK(RxBurst(out.peer.queue, *pool, ids, 2) == 2);
  std::string first = pool.Frame(ids[0]), second = pool.Frame(ids[1]);
  const auto send = [&](const std::string& f) {
    uint32_t id = pool.Make(f);
    CHECK(TxBurst(in.peer.queue, *pool, &id, 1) == 1);
    CHECK(in.driver.Receive(1, true) == 1);
  };
  send(first);
  send(second);
  CHECK(in.driver.counters.bad_checksum == 0);
  send(first);
  CHECK(in.driver.counters.out_of_sequence == 1);
  second[99] = static_cast<char>(second[99] ^ 0x40);
  send(second);
  CHECK(in.driver.counters.bad_checksum == 1);
  send(first.substr(0, 59));
  CHECK(in.driver.counters.bad_frame == 1);
}

TEST("frames are received with their sequence numbers, and a short one with none") {
  for (uint64_t features : AllRings()) {
    Pair out(QueueRole::kTx, features), in(QueueRole::kRx, features);
    Pool pool;
    std::string frame = Bytes(64);
    out.driver.SetTemplate(reinterpret_cast<const uint8_t*>(frame.data()), 64);
    out.driver.Generate(3);
    uint32_t ids[4];
    CHECK(RxBurst(out.peer.queue, *pool, ids, 3) == 3);
    ids[3] = pool.Make(frame.substr(0, 59));
    CHECK(TxBurst(in.peer.queue, *pool, ids, 4) == 4);
    double sequences[5] = {9, 9, 9, 9, 9};
    CHECK(in.driver.Receive(8, false, sequences) == 4);
    CHECK(sequences[0] == 0 && sequences[1] == 1 && sequences[2] == 2);
    CHECK(sequences[3] == -1 && sequences[4] == 9);
  }
}

TEST("a hostile back-end stops the driver's queue and nothing else") {
  const auto poison = [](VringUsedElem e, uint16_t idx, uint16_t num_buffers) {
    Pair in(QueueRole::kRx);
    in.peer.queue.Quiesce();
    in.peer.used()->ring[0] = e;
    std::memcpy(in.peer.at(kGpa + kBuffers) + 10, &num_buffers, 2);
    in.peer.used()->idx = idx;
    CHECK(in.driver.Receive(32, true) == 0);
    CHECK(in.driver.counters.ring_errors == 1);
    CHECK(in.driver.Receive(32, true) == 0);
  };
  poison({kSize, 76}, 1, 1);
  poison({0xffffffff, 76}, 1, 1);
  poison({0, kBuffer + 1}, 1, 1);
  poison({0, 76}, kSize + 1, 1);
  poison({0, 76}, 1, 2);
  poison({0, 76}, 1, 0);
}

TEST("a back-end that returns a buffer without a frame is counted, and the buffer is offered again") {
  for (uint64_t features : AllRings()) {
    Pair in(QueueRole::kRx, features);
    DeviceQueue& device = in.peer.queue;
    // As the engine does with buffers that it cannot use.
    if (device.is_packed()) {
      PackedRing<false> ring(device);
      ring.Return(0, 0, 0);
      ring.Advance(1);
      ring.Publish();
    } else {
      SplitRing<false> ring(device);
      ring.Return(0, 0, 12);
      ring.Advance(1);
      ring.Publish();
    }
    CHECK(in.driver.Receive(32, true) == 0);
    CHECK(in.driver.counters.bad_frame == 1 && in.driver.counters.packets == 0);
    Pool pool(128);
    for (uint32_t i = 0; i < kSize; i++) {
      const uint32_t id = pool.Make(Bytes(64, i));
      CHECK(TxBurst(device, *pool, &id, 1) == 1);
    }
    CHECK(in.driver.Receive(kSize, false) == kSize);
    CHECK(in.driver.counters.ring_errors == 0);
  }
}

TEST("two threads: millions of packets through a small ring, none lost, none changed") {
  for (uint64_t features : AllRings()) {
    Pair out(QueueRole::kTx, features), in(QueueRole::kRx, features);
    Pool pool(256);
    std::string frame = Bytes(64);
    out.driver.SetTemplate(reinterpret_cast<const uint8_t*>(frame.data()), 64);
    constexpr uint64_t kPackets = 40000;
    std::thread peer([&] {
      while (in.driver.counters.packets < kPackets) {
        if (out.driver.counters.packets < kPackets) out.driver.Generate(32);
        if (in.driver.Receive(32, true) == 0) std::this_thread::yield();
      }
    });
    uint64_t forwarded = 0;
    while (forwarded < kPackets) {
      uint32_t ids[32];
      uint32_t n = RxBurst(out.peer.queue, *pool, ids, 32);
      for (uint32_t sent = 0; sent < n;) {
        uint32_t more = TxBurst(in.peer.queue, *pool, ids + sent, n - sent);
        if (more == 0) std::this_thread::yield();
        sent += more;
      }
      if (n == 0) std::this_thread::yield();
      forwarded += n;
    }
    peer.join();
    CHECK(in.driver.counters.packets >= kPackets);
    CHECK(in.driver.counters.bad_checksum == 0);
    CHECK(in.driver.counters.out_of_sequence == 0);
    CHECK(pool->available() == 256);
  }
}
