// SPDX-License-Identifier: BSD-3-Clause
// The benchmark bursts: descriptors are returned untouched, or with the bytes moved and nothing else.
#include <algorithm>

#include "burst/bare_burst.h"
#include "burst/peer_traffic.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

namespace {

constexpr uint32_t kSize = 16, kBuffer = 2048, kFrame = 64;
constexpr uint64_t kPackedBit = uint64_t{1} << VIRTIO_F_RING_PACKED;

struct Pair {
  Peer peer{kSize, 0x10000 + kSize* kBuffer};
  PeerTraffic driver;

  Pair(QueueRole role, uint64_t features) {
    const QueueRole other = role == QueueRole::kRx ? QueueRole::kTx : QueueRole::kRx;
    CHECK(driver.Init(other, {peer.at(kGpa), peer.bytes(), 0, 0x4000, 0x8000, 0x10000, kGpa, kSize, kBuffer,
                              Modern() | features, -1}));
    CHECK(peer.Start(role, Modern() | features, features & kPackedBit ? VRING_PACKED_WRAP : 0) ==
          StartError::kNone);
    const std::string frame = Bytes(kFrame);
    CHECK(driver.SetTemplate(reinterpret_cast<const uint8_t*>(frame.data()), kFrame));
  }
};

}  // namespace

TEST("bare bursts return what the peer sends and leave it as it is") {
  for (uint64_t features : {uint64_t{0}, kPackedBit}) {
    for (auto burst : {ReturnBurst, TouchBurst}) {
      Pair p(QueueRole::kRx, features);
      for (uint32_t round = 0; round < 10; round++) {
        CHECK(p.driver.Generate(kSize) == kSize);
        const std::string before(reinterpret_cast<char*>(p.peer.at(kGpa + 0x10000)), kSize * kBuffer);
        CHECK(burst(p.peer.queue, 2 * kSize, 0) == kSize);
        CHECK(before == std::string(reinterpret_cast<char*>(p.peer.at(kGpa + 0x10000)), kSize * kBuffer));
      }
      CHECK(p.peer.queue.counters.good_packets == 10 * kSize);
    }
  }
}

TEST("bare bursts fill what the peer gives to be filled only when they touch") {
  for (uint64_t features : {uint64_t{0}, kPackedBit}) {
    for (bool touch : {false, true}) {
      Pair p(QueueRole::kTx, features);
      std::memset(p.peer.at(kGpa + 0x10000), 0xaa, kSize * kBuffer);
      const uint32_t length = kFrame + sizeof(VirtioNetHdr);
      CHECK((touch ? TouchBurst : ReturnBurst)(p.peer.queue, kSize, length) == kSize);
      const std::string memory(reinterpret_cast<char*>(p.peer.at(kGpa + 0x10000)), kSize * kBuffer);
      const auto untouched = std::count(memory.begin(), memory.end(), '\xaa');
      CHECK(uint64_t(untouched) == kSize * (kBuffer - (touch ? length : 0)));
      p.driver.Receive(kSize, false);
      if (touch) CHECK(p.driver.counters.packets == kSize);
    }
  }
}

TEST("bare bursts across two rings return as many of either, and move the frames only when they touch") {
  constexpr uint64_t kInOrderBit = uint64_t{1} << VIRTIO_F_IN_ORDER;
  for (uint64_t features : {uint64_t{0}, kPackedBit, kInOrderBit, kPackedBit | kInOrderBit}) {
    for (bool touch : {false, true}) {
      Pair from(QueueRole::kRx, features), to(QueueRole::kTx, features);
      const auto burst = touch ? TouchAcross : ReturnAcross;
      std::memset(to.peer.at(kGpa + 0x10000), 0xaa, kSize * kBuffer);
      const uint32_t length = kFrame + sizeof(VirtioNetHdr);
      CHECK(burst(from.peer.queue, to.peer.queue, kSize, length) == 0);
      CHECK(from.driver.Generate(3) == 3);
      CHECK(burst(from.peer.queue, to.peer.queue, kSize, length) == 3);
      const std::string memory(reinterpret_cast<char*>(to.peer.at(kGpa + 0x10000)), kSize * kBuffer);
      const auto untouched = std::count(memory.begin(), memory.end(), '\xaa');
      CHECK(uint64_t(untouched) == kSize * kBuffer - (touch ? 3 * length : 0));
      // Everything comes back on one side, and no more than there is room for on the other.
      CHECK(from.driver.Generate(kSize) == kSize);
      CHECK(burst(from.peer.queue, to.peer.queue, 2 * kSize, length) == kSize - 3);
      CHECK(from.driver.Generate(kSize) == kSize - 3);
      to.driver.Receive(kSize, true);
      if (touch) {
        CHECK(to.driver.counters.packets == kSize && to.driver.counters.bad_frame == 0);
        CHECK(std::memcmp(to.peer.at(kGpa + 0x10000) + sizeof(VirtioNetHdr),
                          from.peer.at(kGpa + 0x10000) + sizeof(VirtioNetHdr), 24) == 0);
      }
      CHECK(from.peer.queue.counters.good_packets == kSize && to.peer.queue.counters.good_packets == kSize);
    }
  }
}

TEST("bare bursts across two rings return what does not fit untouched") {
  const VringDesc bad[] = {{kGpa + (1 << 20) - 16, 2048, 0, 0},
                           {kGpa + 0x10000, 1, 0, 0},
                           {kGpa + 0x10000, 2048, VRING_DESC_F_INDIRECT, 0},
                           {kGpa + 0x10000, 2048, VRING_DESC_F_WRITE, 0},
                           {kGpa + 0x10000, 2048, 0, 0}};
  Peer from, to;
  CHECK(from.Start(QueueRole::kRx) == StartError::kNone && to.Start(QueueRole::kTx) == StartError::kNone);
  std::memset(from.at(kGpa + 0x10000), 0xaa, 2048);
  for (uint16_t i = 0; i < std::size(bad); i++) {
    from.desc()[i] = bad[i];
    from.avail()->ring[i] = i;
  }
  from.avail()->idx = std::size(bad);
  // The buffer of the only good packet is too small for it.
  for (uint32_t i = 0; i < std::size(bad); i++) to.OfferBuffers({i + 1 == std::size(bad) ? 2047u : 2048u});
  CHECK(TouchAcross(from.queue, to.queue, 32, 76) == std::size(bad));
  const char* memory = reinterpret_cast<char*>(to.at(kGpa + 0x10000));
  CHECK(std::count(memory, memory + 10 * 2048, '\0') == 10 * 2048);
  for (uint16_t i = 0; i < std::size(bad); i++) CHECK(to.used()->ring[i].len == 76);
}

TEST("bare bursts return a buffer that does not fit untouched") {
  for (QueueRole role : {QueueRole::kRx, QueueRole::kTx}) {
    const uint16_t good = role == QueueRole::kTx ? VRING_DESC_F_WRITE : 0;
    Peer peer;
    CHECK(peer.Start(role) == StartError::kNone);
    const VringDesc bad[] = {{peer.end() - 16, 2048, good, 0},  // beyond the peer's memory
                             {~0ull - 8, 64, good, 0},          // wraps around
                             {kGpa + 0x10000, 1, good, 0},      // shorter than a header
                             {kGpa + 0x10000, 1u << 31, good, 0},
                             {kGpa + 0x10000, 2048, VRING_DESC_F_INDIRECT, 0},
                             {kGpa + 0x10000, 2048, uint16_t(good ^ VRING_DESC_F_WRITE), 0}};
    for (uint16_t i = 0; i < std::size(bad); i++) {
      peer.desc()[i] = bad[i];
      peer.avail()->ring[i] = i;
    }
    peer.avail()->idx = std::size(bad);
    CHECK(TouchBurst(peer.queue, 32, 76) == std::size(bad));
    const char* memory = reinterpret_cast<char*>(peer.at(kGpa + 0x10000));
    CHECK(uint64_t(std::count(memory, memory + 4096, 0)) == 4096u);
  }
}
