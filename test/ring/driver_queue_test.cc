// SPDX-License-Identifier: BSD-3-Clause
// The driver-role queue below the built-in peer's traffic: it carries buffers anywhere in the memory, which a
// sender of mbufs needs.
#include "ring/driver_queue.h"

#include "burst/device_rx.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

namespace {

constexpr uint32_t kSize = 8;
constexpr uint64_t kPacked = uint64_t{1} << VIRTIO_F_RING_PACKED, kInOrder = uint64_t{1} << VIRTIO_F_IN_ORDER;

class Sender : public DriverQueue {
 public:
  bool Init(const DriverQueueSetup& setup) { return InitRing(QueueRole::kTx, setup); }
  bool Send(uint64_t gpa, uint32_t len) {
    if (free_count() == 0) return false;
    const uint32_t id = TakeFree();
    carried[id] = gpa;
    OnRing([&](auto& ring) {
      ring.Post(id, gpa, len);
      Publish(ring, 1);
    });
    return true;
  }
  void Collect() {
    OnRing([&](auto& ring) { Reclaim(ring, [&](uint32_t id) { back.push_back(carried[id]); }); });
  }
  using DriverQueue::failed;
  using DriverQueue::free_count;

  uint64_t carried[kSize] = {};
  std::vector<uint64_t> back;
};

DriverQueueSetup Setup(Peer& peer, uint64_t features) {
  return {peer.at(kGpa), peer.bytes(), 0, 0x4000, 0x8000, 0, kGpa, kSize, 2048, features, -1};
}

}  // namespace

TEST("driver queue: buffers anywhere in the memory are carried, and come back by name") {
  for (const uint64_t kind : {uint64_t{0}, kInOrder, kPacked, kPacked | kInOrder}) {
    const uint64_t features = Modern() | kind;
    Peer peer(kSize);
    Pool pool;
    Sender sender;
    CHECK(sender.Init(Setup(peer, features)));
    CHECK(peer.Start(QueueRole::kRx, features, kind & kPacked ? VRING_PACKED_WRAP : 0) == StartError::kNone);
    std::vector<uint64_t> sent;
    for (uint32_t i = 0; i < 3 * kSize; i++) {
      const uint64_t gpa = peer.Allocate(12 + 64);
      const std::string frame = Bytes(64, i);
      std::memcpy(peer.at(gpa) + 12, frame.data(), frame.size());
      CHECK(sender.Send(gpa, 12 + 64));
      sent.push_back(gpa);
      uint32_t id;
      CHECK(RxBurst(peer.queue, *pool, &id, 1) == 1 && pool.Frame(id) == frame);
      pool->Free(&id, 1);
      if (i % 3 == 2) sender.Collect();
    }
    sender.Collect();
    CHECK(sender.back == sent && sender.free_count() == kSize && !sender.failed());
  }
}

TEST("driver queue: a full ring takes no more, and a ring outside the memory is refused") {
  Peer peer(kSize);
  Sender sender;
  CHECK(sender.Init(Setup(peer, Modern())));
  for (uint32_t i = 0; i < kSize; i++) CHECK(sender.Send(peer.Allocate(76), 76));
  CHECK(!sender.Send(kGpa, 76));
  DriverQueueSetup outside = Setup(peer, Modern());
  outside.used = peer.bytes() - 8;
  CHECK(!Sender().Init(outside));
}

TEST("driver queue: a back-end that returns what it was not given stops the queue") {
  Peer peer(kSize);
  Sender sender;
  CHECK(sender.Init(Setup(peer, Modern())));
  peer.used()->ring[0] = {3, 0};
  peer.used()->idx = 1;
  sender.Collect();
  CHECK(sender.failed() && sender.counters.ring_errors == 1 && sender.back.empty());
}
