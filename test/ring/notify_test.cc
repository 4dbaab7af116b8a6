// SPDX-License-Identifier: BSD-3-Clause
// Notifications: calls to the peer and kicks from it, by flags and by event indices, on both kinds of ring.
#include <sys/eventfd.h>
#include <unistd.h>

#include "burst/device_rx.h"
#include "burst/peer_traffic.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

namespace {

constexpr uint64_t kEventBit = uint64_t{1} << VIRTIO_F_RING_EVENT_IDX;
constexpr uint64_t kPackedBit = uint64_t{1} << VIRTIO_F_RING_PACKED;

struct Called {
  int fd = eventfd(0, EFD_NONBLOCK);
  ~Called() { close(fd); }
  uint64_t Take() {
    uint64_t n = 0;
    return read(fd, &n, sizeof n) == sizeof n ? n : 0;
  }
};

StartError Start(Peer& peer, uint64_t features, int fd, uint16_t last = 0) {
  peer.queue.role = QueueRole::kRx;
  return peer.queue.Start({&peer.table, peer.desc_gpa(), peer.avail_gpa(), peer.used_gpa(), peer.size(), last,
                           Modern() | features, fd});
}

void Take(Peer& peer, uint32_t packets) {
  Pool pool;
  uint32_t ids[32];
  CHECK(RxBurst(peer.queue, *pool, ids, packets) == packets);
}

}  // namespace

TEST("call: by flags, each publication signals unless the peer asks for none") {
  Called called;
  Peer peer;
  CHECK(Start(peer, 0, called.fd) == StartError::kNone);
  for (int i = 0; i < 3; i++) peer.OfferPacket(Bytes(60), {72});
  Take(peer, 1);
  CHECK(called.Take() == 1);
  peer.avail()->flags = VRING_AVAIL_F_NO_INTERRUPT;
  Take(peer, 2);
  CHECK(called.Take() == 0);
  CHECK(peer.queue.counters.guest_notifications == 1);
  CHECK(peer.queue.counters.guest_notifications_suppressed == 1);
}

TEST("call: with EVENT_IDX exactly the burst that passes the index signals, whatever the flags say") {
  for (uint16_t event = 0; event < 8; event++) {
    Called called;
    Peer peer;
    CHECK(Start(peer, kEventBit, called.fd) == StartError::kNone);
    peer.avail()->flags = VRING_AVAIL_F_NO_INTERRUPT;
    peer.avail()->ring[peer.size()] = event;
    for (int i = 0; i < 8; i++) peer.OfferPacket(Bytes(60), {72});
    for (uint16_t before : {0, 2, 4, 6}) {
      Take(peer, 2);
      CHECK(called.Take() == (event == before || event == before + 1 ? 1u : 0u));
    }
  }
}

TEST("call: event indices work across the end of 2^16") {
  Called called;
  Peer peer;
  peer.avail()->idx = peer.used()->idx = 65534;
  CHECK(Start(peer, kEventBit, called.fd, 65534) == StartError::kNone);
  peer.avail()->ring[peer.size()] = 1;
  for (int i = 0; i < 6; i++) peer.OfferPacket(Bytes(60), {72});
  Take(peer, 3);
  CHECK(called.Take() == 0);
  Take(peer, 1);
  CHECK(called.Take() == 1);
  Take(peer, 2);
  CHECK(called.Take() == 0);
}

TEST("call: a packed ring's event structure enables, disables and names a slot, over the wrap") {
  for (uint16_t flags : {VRING_PACKED_EVENT_FLAG_ENABLE, VRING_PACKED_EVENT_FLAG_DISABLE}) {
    Called called;
    Peer peer(4);
    CHECK(Start(peer, kPackedBit | kEventBit, called.fd, VRING_PACKED_WRAP) == StartError::kNone);
    peer.driver_event()->flags = flags;
    peer.slots()[0] = {kGpa + 0x20000, 72, 0, VRING_PACKED_DESC_F_AVAIL};
    Take(peer, 1);
    CHECK(called.Take() == (flags == VRING_PACKED_EVENT_FLAG_ENABLE ? 1u : 0u));
  }
  for (uint32_t event = 0; event < 8; event++) {
    Called called;
    Peer peer(4);
    CHECK(Start(peer, kPackedBit | kEventBit, called.fd, VRING_PACKED_WRAP) == StartError::kNone);
    const uint16_t wrap = event < 4 ? VRING_PACKED_WRAP : 0;
    *peer.driver_event() = {static_cast<uint16_t>((event % 4) | wrap), VRING_PACKED_EVENT_FLAG_DESC};
    for (uint32_t i = 0; i < 8; i++) {
      const uint16_t owner = i < 4 ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED;
      peer.slots()[i % 4] = {kGpa + 0x20000, 72, 0, owner};
      Take(peer, 1);
      CHECK(called.Take() == (i == event ? 1u : 0u));
    }
  }
}

TEST("kick: a polled queue asks for none, an armed one for the next buffer only, and never sleeps on work") {
  for (uint64_t features : {uint64_t{0}, kEventBit, kPackedBit, kPackedBit | kEventBit}) {
    Called kicked;
    constexpr uint32_t kSize = 16, kBuffer = 2048;
    Peer peer(kSize, 0x10000 + kSize * kBuffer);
    PeerTraffic driver;
    CHECK(driver.Init(QueueRole::kTx, {peer.at(kGpa), peer.bytes(), 0, 0x4000, 0x8000, 0x10000, kGpa, kSize,
                                       kBuffer, Modern() | features, kicked.fd}));
    CHECK(Start(peer, features, -1, features & kPackedBit ? VRING_PACKED_WRAP : 0) == StartError::kNone);
    const std::string frame = Bytes(60);
    driver.SetTemplate(reinterpret_cast<const uint8_t*>(frame.data()), 60);
    Pool pool;
    uint32_t ids[32];
    for (int round = 0; round < 40; round++) {
      driver.Generate(2);
      CHECK(kicked.Take() == 0);
      CHECK(!peer.queue.Arm());  // work waits
      CHECK(RxBurst(peer.queue, *pool, ids, 32) == 2);
      pool->Free(ids, 2);
      driver.Generate(1);
      CHECK(kicked.Take() == 0);  // Arm did not leave kicks on
      CHECK(RxBurst(peer.queue, *pool, ids, 32) == 1);
      pool->Free(ids, 1);
      CHECK(peer.queue.Arm());
      driver.Generate(3);
      CHECK(kicked.Take() == 1);
      peer.queue.Disarm();
      driver.Generate(1);
      CHECK(kicked.Take() == 0);
      CHECK(RxBurst(peer.queue, *pool, ids, 32) == 4);
      pool->Free(ids, 4);
    }
    CHECK(peer.queue.Arm());
    peer.queue.Quiesce();
    CHECK(peer.queue.Arm());  // nothing to poll for on a stopped queue
  }
}
