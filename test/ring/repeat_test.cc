// SPDX-License-Identifier: BSD-3-Clause
// One packet sent many times.
#include "burst/repeat.h"

#include "burst/peer_traffic.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

namespace {

constexpr uint32_t kSize = 16, kBuffer = 2048;

// A peer that receives with the built-in driver.
struct Receiver {
  Peer peer{kSize, 0x10000 + kSize* kBuffer};
  PeerTraffic driver;

  explicit Receiver(uint64_t features) {
    CHECK(driver.Init(QueueRole::kRx, {peer.at(kGpa), peer.bytes(), 0, 0x4000, 0x8000, 0x10000, kGpa, kSize,
                                       kBuffer, Modern() | features, -1}));
    const uint16_t start = features ? VRING_PACKED_WRAP : 0;
    CHECK(peer.Start(QueueRole::kTx, Modern() | features, start) == StartError::kNone);
  }
  uint8_t* Packet(uint32_t buffer) { return peer.at(kGpa) + 0x10000 + buffer * kBuffer + 12; }
};

uint32_t MakePacket(Pool& pool, const std::string& bytes) {
  uint32_t mbuf;
  CHECK(pool->Alloc(&mbuf, 1));
  std::memcpy(pool->buffer(mbuf) + pool->headroom(), bytes.data(), bytes.size());
  pool->data_len()[mbuf] = static_cast<uint16_t>(bytes.size());
  return mbuf;
}

}  // namespace

TEST("repeat: all packets arrive with the bytes of the one, whatever the buffers held") {
  for (uint64_t features : {uint64_t{0}, uint64_t{1} << VIRTIO_F_RING_PACKED}) {
    for (uint32_t bytes : {1u, 7u, 15u, 16u, 17u, 32u, 33u, 42u, 63u, 64u, 65u, 200u, 1500u}) {
      Receiver to(features);
      Pool pool;
      const std::string head = Bytes(bytes, 1);
      const uint32_t mbuf = MakePacket(pool, head);
      for (uint32_t round = 0; round < 10; round++) {
        // The peer changes one byte of one buffer, a different one each round: the engine checks it every
        // time.
        *(to.Packet(round) + round * 7 % bytes) ^= 0x80;
        CHECK(Repeat(to.peer.queue, *pool, mbuf, bytes + 10, 64) == kSize);
        for (uint32_t i = 0; i < kSize; i++) CHECK(std::memcmp(to.Packet(i), head.data(), bytes) == 0);
        CHECK(to.driver.Receive(64, false) == kSize);
        CHECK(Repeat(to.peer.queue, *pool, mbuf, bytes + 10, 3) == 3);
        CHECK(to.peer.queue.burst.repeated);
        CHECK(to.driver.Receive(64, false) == 3);
        CHECK(Repeat(to.peer.queue, *pool, mbuf, bytes + 10, kSize - 3) == kSize - 3);
        CHECK(to.driver.Receive(64, false) == kSize - 3);
      }
      CHECK(to.driver.counters.bytes == 10 * 2 * kSize * (bytes + 10));
      CHECK(to.peer.queue.counters.good_packets == 10 * 2 * kSize);
      CHECK(to.peer.queue.counters.good_bytes == 10 * 2 * kSize * (bytes + 10));
    }
  }
}

TEST("repeat: stops at a buffer without the room or of another shape") {
  Peer peer;
  Pool pool;
  const uint32_t mbuf = MakePacket(pool, Bytes(60));
  CHECK(peer.Start(QueueRole::kTx) == StartError::kNone);
  peer.OfferBuffers({2048});
  peer.OfferBuffers({100});
  peer.OfferBuffers({2048, 2048});
  CHECK(Repeat(peer.queue, *pool, mbuf, 89, 8) == 1);
  CHECK(Repeat(peer.queue, *pool, mbuf, 89, 8) == -1);
  CHECK(Repeat(peer.queue, *pool, mbuf, 88, 8) == 1);
  CHECK(Repeat(peer.queue, *pool, mbuf, 60, 8) == -1);
  CHECK(peer.queue.state.load() == QueueState::kRunning);
}

TEST("repeat: sends nothing that is no packet, and nothing on a queue that does not run") {
  Peer peer;
  Pool pool;
  const uint32_t mbuf = MakePacket(pool, Bytes(60)), second = MakePacket(pool, Bytes(60));
  CHECK(Repeat(peer.queue, *pool, mbuf, 60, 8) == 0);
  CHECK(peer.Start(QueueRole::kTx) == StartError::kNone);
  peer.OfferBuffers({2048});
  CHECK(Repeat(peer.queue, *pool, mbuf, 59, 8) == -1);
  CHECK(Repeat(peer.queue, *pool, mbuf, 0xffffffff, 8) == -1);
  CHECK(Repeat(peer.queue, *pool, 0xffffffff, 60, 8) == -1);
  CHECK(Repeat(peer.queue, *pool, mbuf, 60, 0) == 0);
  pool->next()[mbuf] = second;
  CHECK(Repeat(peer.queue, *pool, mbuf, 60, 8) == -1);
  pool->next()[mbuf] = kNoNext;
  pool->data_off()[mbuf] = 0xffff;
  CHECK(Repeat(peer.queue, *pool, mbuf, 60, 8) == -1);
  CHECK(peer.used()->idx == 0);
}
