// SPDX-License-Identifier: BSD-3-Clause
// A relay between two peers, one of which tries to reach the other's memory.
#include <sys/mman.h>

#include "burst/device_rx.h"
#include "burst/relay.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

namespace {

constexpr size_t kHuge = size_t{5} << 30;

// A peer with more than 4 GiB of memory, untouched except for a ring, and with a 10-byte virtio-net header.
struct HugePeer {
  uint8_t* memory = static_cast<uint8_t*>(
      mmap(nullptr, kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  MemoryTable table;
  DeviceQueue queue;

  HugePeer() {
    CHECK(memory != MAP_FAILED);
    CHECK(table.Build({{0, kHuge, memory, 1, 0}}));
    queue.role = QueueRole::kRx;
    CHECK(queue.Start({&table, 0, 0x4000, 0x8000, 16, 0, 0, -1}) == StartError::kNone);
  }
  ~HugePeer() {
    queue.Quiesce();
    munmap(memory, kHuge);
  }
  void Offer(uint32_t len) {
    auto* avail = reinterpret_cast<VringAvail*>(memory + 0x4000);
    reinterpret_cast<VringDesc*>(memory)[0] = {0x10000, len, 0, 0};
    avail->ring[avail->idx & 15] = 0;
    avail->idx++;
  }
};

}  // namespace

TEST("regression: H12 relay: no length of a packet leads out of the receiver's buffer") {
  for (uint32_t len : {0xffffffffu, 0xfffffffeu, 0xfffffffdu, 0x80000000u, 65550u + 11, 100u}) {
    HugePeer sender;
    Peer victim;
    Pool pool;
    CHECK(victim.Start(QueueRole::kTx) == StartError::kNone);
    victim.OfferBuffers({64});
    const std::string before(reinterpret_cast<char*>(victim.at(kGpa)), victim.bytes());
    sender.Offer(len);
    CHECK(RelayBurst(sender.queue, victim.queue, 1) == -1);
    CHECK(std::string(reinterpret_cast<char*>(victim.at(kGpa)), victim.bytes()) == before);
    // The burst that is tried next recognizes it.
    uint32_t id;
    const bool legal = len == 100;
    CHECK(RxBurst(sender.queue, *pool, &id, 1) == (legal ? 1 : 0));
    CHECK(sender.queue.state.load() == QueueState::kRunning);
    CHECK(sender.queue.counters.oversize_errors == (legal ? 0u : 1u));
    CHECK(victim.queue.state.load() == QueueState::kRunning);
  }
}

TEST("relay: packets pass between headers of 10 and of 12 bytes") {
  HugePeer sender;
  Peer receiver;
  CHECK(receiver.Start(QueueRole::kTx) == StartError::kNone);
  const auto gpas = receiver.OfferBuffers({76});
  const std::string frame = Bytes(64);
  std::memcpy(sender.memory + 0x10000 + 10, frame.data(), 64);
  sender.Offer(74);
  CHECK(RelayBurst(sender.queue, receiver.queue, 8) == 1);
  CHECK(receiver.used()->ring[0].len == 76);
  CHECK(std::memcmp(receiver.at(gpas[0]) + 12, frame.data(), 64) == 0);
}

TEST("regression: relay between the queues of one peer, whose buffer overlaps its packet") {
  Peer peer;  // its receive ring; the ring that it sends with lies beside it, in the same memory
  DeviceQueue sent;
  sent.role = QueueRole::kRx;
  CHECK(peer.Start(QueueRole::kTx) == StartError::kNone);
  CHECK(sent.Start({&peer.table, kGpa + 0xc000, kGpa + 0xd000, kGpa + 0xe000, 16, 0, Modern(), -1}) ==
        StartError::kNone);
  for (const int32_t apart : {-100, 100, 0}) {
    const std::string frame = Bytes(1000);
    const uint64_t packet = peer.Allocate(4096) + 1024;
    std::memcpy(peer.at(packet) + 12, frame.data(), frame.size());
    *reinterpret_cast<VringDesc*>(peer.at(kGpa + 0xc000)) = {packet, 1012, 0, 0};
    auto* avail = reinterpret_cast<VringAvail*>(peer.at(kGpa + 0xd000));
    avail->idx++;  // of descriptor 0, each time
    const uint64_t buffer = packet + static_cast<uint64_t>(int64_t{apart});
    peer.desc()[0] = {buffer, 1012, VRING_DESC_F_WRITE, 0};
    peer.Offer(0);
    CHECK(RelayBurst(sent, peer.queue, 1) == 1);
    // The buffer's header lands in the packet where it lies behind: that is the peer's loss.
    CHECK(std::memcmp(peer.at(buffer) + 12, frame.data(), apart > 0 ? 88 : 1000) == 0);
  }
  sent.Quiesce();
}
