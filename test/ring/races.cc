// SPDX-License-Identifier: BSD-3-Clause
// For ThreadSanitizer: driver role, device role, a controller that stops and starts the queues, and an owner
// that hands out the rings and takes them back, each in its own thread. Shared memory is used here as it is
// between two virtual machines.
#include <atomic>
#include <thread>

#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/peer_traffic.h"
#include "check.h"
#include "ring/message_queue.h"
#include "section_rig.h"

using namespace mock;

namespace {

constexpr uint32_t kSize = 64, kBuffer = 512, kBurst = 32;
constexpr uint64_t kBuffers = 0x10000;
constexpr uint64_t kPackets = 20000;
constexpr uint64_t kPacked = uint64_t{1} << VIRTIO_F_RING_PACKED, kInOrder = uint64_t{1} << VIRTIO_F_IN_ORDER,
                   kEventIdx = uint64_t{1} << VIRTIO_F_RING_EVENT_IDX,
                   kChecksum = uint64_t{1} << VIRTIO_NET_F_CSUM;

// A queue of the built-in peer and its device end.
struct Pair {
  Peer peer{kSize, kBuffers + kSize* kBuffer};
  PeerTraffic driver;
  uint64_t features;
  QueueRole device_role;
  GateWords gate;
  std::atomic<uint16_t> serial{1};

  Pair(QueueRole driver_role, uint64_t features)
      : features(features), device_role(driver_role == QueueRole::kTx ? QueueRole::kRx : QueueRole::kTx) {
    CHECK(driver.Init(driver_role, {peer.at(kGpa), peer.bytes(), 0, 0x4000, 0x8000, kBuffers, kGpa, kSize,
                                    kBuffer, features, -1}));
    gate.allowed = serial.load();
    Start(HasFeature(features, VIRTIO_F_RING_PACKED) ? VRING_PACKED_WRAP : 0);
  }
  void Start(uint16_t last) {
    CHECK(peer.Start(device_role, features, last, &gate, serial) == StartError::kNone);
  }

  // Takes the ring back, reads, without synchronization, what only bursts write, and hands it out again under
  // another serial.
  uint64_t TakeBack() {
    gate.allowed.store(0, std::memory_order_seq_cst);
    while (gate.busy.load(std::memory_order_seq_cst) != 0) std::this_thread::yield();
    const uint64_t seen = peer.queue.counters.good_packets + peer.queue.counters.bursts;
    serial = static_cast<uint16_t>(serial % 0xffff + 1);
    gate.allowed.store(serial, std::memory_order_seq_cst);
    return seen;
  }
};

// The peer must receive everything that it sent, in order, however often the queues were stopped.
void Forward(uint64_t features) {
  Pair out(QueueRole::kTx, features), in(QueueRole::kRx, features);
  Pool pool(256, 512);
  std::string frame = Bytes(64);
  CHECK(out.driver.SetTemplate(reinterpret_cast<const uint8_t*>(frame.data()), 64));
  std::atomic<bool> stop{false};

  std::thread peer([&] {
    while (in.driver.counters.packets < kPackets) {
      if (out.driver.counters.packets < kPackets) out.driver.Generate(kBurst);
      if (in.driver.Receive(kBurst, true) == 0) std::this_thread::yield();
    }
    stop = true;
  });
  std::thread poller([&] {
    uint32_t ids[kBurst];
    while (!stop) {
      uint32_t n = RxBurst(out.peer.queue, *pool, ids, kBurst);
      for (uint32_t sent = 0; sent < n && !stop;) {
        sent += TxBurst(in.peer.queue, *pool, ids + sent, n - sent);
        std::this_thread::yield();
      }
    }
  });
  std::thread controller([&] {
    while (!stop) {
      for (Pair* pair : {&out, &in}) {
        const int32_t last = pair->peer.queue.Quiesce();
        CHECK(last >= 0 && pair->peer.queue.Quiesce() == last);
        pair->Start(static_cast<uint16_t>(last));
      }
      std::this_thread::yield();
    }
  });
  std::thread device([&] {
    uint64_t seen = 0;
    while (!stop) {
      for (Pair* pair : {&out, &in}) {
        const uint64_t now = pair->TakeBack();
        CHECK(pair == &in || now >= seen);
        if (pair == &out) seen = now;
        std::this_thread::yield();
      }
    }
  });
  peer.join();
  device.join();
  poller.join();
  controller.join();
  CHECK(in.driver.counters.bad_checksum == 0);
  CHECK(in.driver.counters.bad_frame == 0);
  CHECK(in.driver.counters.out_of_sequence == 0);
  CHECK(in.driver.counters.ring_errors == 0);
  CHECK(out.driver.counters.ring_errors == 0);
}

// The driver's end of a control queue: messages of one buffer, which holds the message's number.
class Messenger : public DriverQueue {
 public:
  explicit Messenger(Peer& peer) : buffers_(peer.at(kGpa) + kBuffers) {
    CHECK(InitRing(QueueRole::kTx, {peer.at(kGpa), peer.bytes(), 0, 0x4000, 0x8000, kBuffers, kGpa, kSize,
                                    kBuffer, Modern(), -1}));
  }
  void SendAndCollect() {
    OnRing([this](auto& ring) {
      Reclaim(ring);
      if (free_count() == 0) return;
      const uint32_t id = TakeFree();
      std::memcpy(buffers_ + id * kBuffer, &next_, sizeof next_);
      next_++;
      ring.Post(id, sizeof next_);
      Publish(ring, 1);
    });
  }

 private:
  uint8_t* const buffers_;
  uint64_t next_ = 0;
};

// Messages arrive in order, are returned out of order, and once the queue is stopped its ring stays as it is.
void Messages() {
  Peer peer(kSize, kBuffers + kSize * kBuffer);
  Messenger driver(peer);
  CHECK(peer.Start(QueueRole::kRx, Modern()) == StartError::kNone);
  std::atomic<uint64_t> taken{0};
  std::atomic<bool> stop{false};
  const auto take = [&](MessageChain* chain) {
    if (TakeMessage(peer.queue, chain) != MessageTaken::kChain) return false;
    uint64_t number;
    std::memcpy(&number, peer.at(chain->descriptors[0].addr), sizeof number);
    CHECK(chain->descriptors.size() == 1 && number == taken);
    taken++;
    return true;
  };

  std::thread machine([&] {
    while (!stop) driver.SendAndCollect();
  });
  std::thread device([&] {
    MessageChain first, second;
    while (!stop) {
      const bool one = take(&first), two = one && take(&second);
      if (two) ReturnMessage(peer.queue, second.head, 0);
      if (one) ReturnMessage(peer.queue, first.head, 0);
      if (!two) std::this_thread::yield();
    }
  });
  std::thread controller([&] {
    while (taken < kPackets) std::this_thread::yield();
    CHECK(peer.queue.Quiesce() >= 0);
    const uint16_t used = LoadOnce(&peer.used()->idx);
    for (int i = 0; i < 1000; i++) std::this_thread::yield();
    CHECK(LoadOnce(&peer.used()->idx) == used);
    stop = true;
  });
  machine.join();
  device.join();
  controller.join();
  CHECK(driver.counters.ring_errors == 0);
}

// Two sides of a section, each polled by its thread, while a third stops the queues of one side. The
// sections' owners reset them together, so both sides of a ring start again.
void SectionThreads(uint32_t hdr_bytes) {
  Sections s(0x8000, 64, hdr_bytes, 1518);
  CHECK(s.Start());
  std::atomic<uint64_t> received{0};
  std::atomic<bool> stop{false};
  std::thread sender([&] {
    Pool pool(256, 512);
    const std::string frame = Bytes(200);
    while (!stop) {
      uint32_t ids[kBurst];
      for (uint32_t& id : ids) id = pool.Make(frame);
      const uint32_t sent = TxBurst(s.tx, *pool, ids, kBurst);
      pool->Free(ids + sent, kBurst - sent);
      if (sent == 0) std::this_thread::yield();
      if (s.tx.Arm()) s.tx.Disarm();
    }
  });
  std::thread receiver([&] {
    Pool pool(256, 512);
    const std::string frame = Bytes(200);
    while (!stop) {
      uint32_t ids[kBurst];
      const uint32_t n = RxBurst(s.far_rx, *pool, ids, kBurst);
      for (uint32_t i = 0; i < n; i++) CHECK(pool.Frame(ids[i]) == frame);
      pool->Free(ids, n);
      received += n;
      if (n == 0 && s.far_rx.Arm()) std::this_thread::yield();
    }
  });
  std::thread controller([&] {
    while (received < kPackets) {
      CHECK(s.tx.Quiesce() >= 0 && s.far_rx.Quiesce() >= 0);
      const uint64_t seen = s.tx.counters.good_packets + s.far_rx.counters.good_packets;
      CHECK(s.far_rx.counters.invalid_desc == 0 && seen >= received);
      std::memset(s.memory(0), 0, s.setup.size);
      std::memset(s.memory(1), 0, s.setup.size);
      CHECK(s.far_rx.StartSection(s.Far()) == StartError::kNone);
      CHECK(s.tx.StartSection(s.setup) == StartError::kNone);
      const uint64_t goal = received + 500;
      while (received < goal) std::this_thread::yield();
    }
    stop = true;
  });
  sender.join();
  receiver.join();
  controller.join();
  CHECK(s.tx.counters.invalid_desc == 0 && s.far_rx.counters.errors == 0);
}

}  // namespace

TEST("threads: split ring, mergeable buffers") { Forward(Modern()); }
TEST("threads: split ring, one buffer a packet") { Forward(Modern(false)); }
TEST("threads: split ring, in order") { Forward(Modern() | kInOrder); }
TEST("threads: split ring, event indices, checksums") { Forward(Modern() | kEventIdx | kChecksum); }
TEST("threads: packed ring, mergeable buffers") { Forward(Modern() | kPacked); }
TEST("threads: packed ring, in order") { Forward(Modern() | kPacked | kInOrder); }
TEST("threads: packed ring, event indices, checksums") {
  Forward(Modern() | kPacked | kEventIdx | kChecksum);
}
TEST("threads: a section") { SectionThreads(0); }
TEST("threads: a section with headers") { SectionThreads(12); }
TEST("threads: a control queue's messages") { Messages(); }

int main() { return check::RunAll(); }
