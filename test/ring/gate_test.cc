// SPDX-License-Identifier: BSD-3-Clause
// The gates of a queue: the second one, owned by the process that hands out the ring, and bursts that do not
// return.
#include <chrono>
#include <cstring>
#include <thread>

#include "burst/bare_burst.h"
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/in_place.h"
#include "burst/relay.h"
#include "burst/repeat.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

namespace {

constexpr uint64_t kPacked = uint64_t{1} << VIRTIO_F_RING_PACKED;
constexpr uint16_t kSerial = 7;

std::string Image(Peer& peer) { return {reinterpret_cast<char*>(peer.at(kGpa)), peer.bytes()}; }

// A peer with a ring of either kind that was handed out under kSerial, with work in it.
struct Gated {
  GateWords gate;
  Peer peer;
  Pool pool;
  uint64_t features;
  uint16_t start;

  Gated(QueueRole role, bool packed)
      : features(Modern() | (packed ? kPacked : 0)), start(packed ? VRING_PACKED_WRAP : 0) {
    gate.allowed = kSerial;
    CHECK(Start(role, kSerial) == StartError::kNone);
    for (int i = 0; i < 4; i++) Offer(role, packed, i);
  }
  StartError Start(QueueRole role, uint16_t serial) {
    return peer.Start(role, features, start, &gate, serial);
  }
  void Offer(QueueRole role, bool packed, int i) {
    const uint16_t write = role == QueueRole::kTx ? VRING_DESC_F_WRITE : 0;
    const uint64_t gpa = peer.Allocate(256);
    if (packed)
      peer.slots()[i] = {gpa, 256, static_cast<uint16_t>(i),
                         static_cast<uint16_t>(write | VRING_PACKED_DESC_F_AVAIL)};
    else if (role == QueueRole::kTx)
      peer.OfferBuffers({256});
    else
      peer.OfferPacket(Bytes(64), {76});
  }

  // Every way to touch a ring; returns how many packets they moved.
  uint32_t TouchAll(QueueRole role) {
    uint32_t ids[4], moved = 0;
    DeviceQueue& q = peer.queue;
    if (role == QueueRole::kRx) {
      moved += RxBurst(q, *pool, ids, 4) + Peek(q, 4) + Release(q, 4);
      q.Arm();
      q.Disarm();
    } else {
      CHECK(pool->Alloc(ids, 1));
      pool->data_len()[ids[0]] = 64;
      pool->pkt_len()[ids[0]] = 64;
      moved += TxBurst(q, *pool, ids, 1) + Reserve(q, 4) + Commit(q, 4);
      moved += static_cast<uint32_t>(std::max(0, Repeat(q, *pool, ids[0], 64, 4)));
    }
    return moved + ReturnBurst(q, 4, 64) + TouchBurst(q, 4, 64);
  }
};

}  // namespace

TEST("gate: nothing touches a ring that was taken back, of either kind, by any burst") {
  for (const bool packed : {false, true}) {
    for (const QueueRole role : {QueueRole::kRx, QueueRole::kTx}) {
      for (const uint32_t allowed : {0u, kSerial + 1u, kSerial + 0x10000u, GateWords::kRevoked}) {
        Gated g(role, packed);
        g.gate.allowed = allowed;
        const std::string before = Image(g.peer);
        CHECK(g.TouchAll(role) == 0);
        CHECK(Image(g.peer) == before);
        CHECK(g.gate.busy == 0 && g.peer.queue.busy == 0);
        CHECK(g.peer.queue.Quiesce() == g.start);
      }
    }
  }
}

TEST("gate: opens again by the serial that the queue was started with") {
  Gated g(QueueRole::kRx, false);
  uint32_t ids[4];
  g.gate.allowed = 0;
  CHECK(RxBurst(g.peer.queue, *g.pool, ids, 1) == 0);
  g.gate.allowed = kSerial;
  CHECK(RxBurst(g.peer.queue, *g.pool, ids, 1) == 1);
}

TEST("gate: a start by a record that is out of date does not touch the ring either") {
  for (const bool packed : {false, true}) {
    Gated g(QueueRole::kRx, packed);
    g.peer.queue.Quiesce();
    std::memset(g.peer.at(g.peer.used_gpa()), 0x55, 64);
    g.gate.allowed = kSerial + 1;
    const std::string before = Image(g.peer);
    CHECK(g.Start(QueueRole::kRx, kSerial) == StartError::kNone);
    CHECK(Image(g.peer) == before);
    CHECK(g.gate.busy == 0);
    g.peer.queue.Quiesce();
    CHECK(g.Start(QueueRole::kRx, kSerial + 1) == StartError::kNone);
    CHECK(Image(g.peer) != before);
  }
}

TEST("gate: work in place is inside until it is given back, and goes through though the gate was closed") {
  Gated g(QueueRole::kTx, false);
  CHECK(Reserve(g.peer.queue, 2) == 2);
  CHECK(g.gate.busy != 0);
  g.gate.allowed = 0;
  g.peer.queue.burst.slots.length[0] = 64;
  CHECK(Commit(g.peer.queue, 1) == 1);
  CHECK(g.gate.busy == 0);
  CHECK(g.peer.used()->idx == 1);
  CHECK(Reserve(g.peer.queue, 2) == 0);
}

TEST("gate: work in place that took too long is dropped, and the ring is not touched") {
  for (const bool packed : {false, true}) {
    Gated g(QueueRole::kRx, packed);
    CHECK(Peek(g.peer.queue, 2) == 2);
    g.gate.allowed = GateWords::kRevoked;
    const std::string before = Image(g.peer);
    CHECK(Release(g.peer.queue, 2) == 0);
    CHECK(Image(g.peer) == before);
    CHECK(g.gate.busy == 0 && g.peer.queue.burst.held == 0);
  }
}

TEST("gate: a relay passes both rings' gates or none") {
  for (const bool close_receiver : {false, true}) {
    Gated from(QueueRole::kRx, false), to(QueueRole::kTx, false);
    (close_receiver ? to : from).gate.allowed = 0;
    const std::string before[] = {Image(from.peer), Image(to.peer)};
    CHECK(RelayBurst(from.peer.queue, to.peer.queue, 4) <= 0);
    CHECK(ReturnAcross(from.peer.queue, to.peer.queue, 4, 64) == 0);
    CHECK(TouchAcross(from.peer.queue, to.peer.queue, 4, 64) == 0);
    CHECK(Image(from.peer) == before[0] && Image(to.peer) == before[1]);
    CHECK(from.gate.busy == 0 && to.gate.busy == 0);
  }
}

TEST("gate: a queue without gate words is let in by its own gate alone") {
  Peer peer;
  Pool pool;
  CHECK(peer.Start(QueueRole::kRx, Modern(), 0, nullptr, kSerial) == StartError::kNone);
  peer.OfferPacket(Bytes(64), {76});
  uint32_t id;
  CHECK(RxBurst(peer.queue, *pool, &id, 1) == 1);
}

TEST("regression: quiesce gives up a burst that does not come back, and does not wait for it again") {
  Gated g(QueueRole::kTx, false);
  CHECK(Reserve(g.peer.queue, 1) == 1);
  CHECK(g.peer.queue.Quiesce(20) == DeviceQueue::kStuck);
  CHECK(g.peer.queue.Stuck());
  CHECK(g.peer.table.users == 1);
  const auto before = std::chrono::steady_clock::now();
  CHECK(g.peer.queue.Quiesce() == DeviceQueue::kStuck);
  CHECK(g.Start(QueueRole::kTx, kSerial) == StartError::kStuck);
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::milliseconds(900));
  // The application returns eventually, to a ring that it no longer owns.
  g.peer.queue.burst.slots.length[0] = 64;
  CHECK(Commit(g.peer.queue, 1) == 0);
  CHECK(g.peer.used()->idx == 0);
  CHECK(!g.peer.queue.Stuck());
  CHECK(g.peer.queue.Quiesce() == 0);
  CHECK(g.peer.table.users == 0);
  CHECK(g.Start(QueueRole::kTx, kSerial) == StartError::kNone);
}

TEST("quiesce waits for a burst that takes its time") {
  Gated g(QueueRole::kTx, false);
  CHECK(Reserve(g.peer.queue, 1) == 1);
  g.peer.queue.burst.slots.length[0] = 64;
  std::thread application([&] {
    while (g.peer.queue.state.load() == QueueState::kRunning) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(Commit(g.peer.queue, 1) == 1);
  });
  CHECK(g.peer.queue.Quiesce(60'000) == 1);
  application.join();
}
