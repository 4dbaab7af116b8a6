// SPDX-License-Identifier: BSD-3-Clause
// Messages in the device role: chains are taken whole and returned in any order, and a driver that breaks the
// rules of the ring stops its queue.
#include <functional>

#include "check.h"
#include "mock_peer.h"
#include "ring/message_queue.h"

using namespace mock;

namespace {

constexpr uint16_t kWrite = VRING_DESC_F_WRITE;

uint16_t OfferMessage(Peer& peer, const std::vector<Piece>& pieces) {
  std::vector<uint64_t> gpas;
  const uint16_t head = peer.Chain(pieces, &gpas);
  peer.Offer(head);
  return head;
}

void ExpectBroken(const std::function<void(Peer&)>& poison) {
  Peer peer;
  CHECK(peer.Start(QueueRole::kRx) == StartError::kNone);
  MessageChain chain;
  OfferMessage(peer, {{16}, {8, kWrite}});
  poison(peer);
  CHECK(TakeMessage(peer.queue, &chain) == MessageTaken::kBroken);
  CHECK(peer.broken() && peer.queue.last_avail_idx == 0);
  // And it stays broken.
  CHECK(TakeMessage(peer.queue, &chain) == MessageTaken::kBroken);
  CHECK(!ReturnMessage(peer.queue, 0, 0) && peer.used()->idx == 0);
}

}  // namespace

TEST("message queue: a chain is taken with all its descriptors, none when nothing waits") {
  Peer peer;
  CHECK(peer.Start(QueueRole::kRx) == StartError::kNone);
  MessageChain chain;
  CHECK(TakeMessage(peer.queue, &chain) == MessageTaken::kNone);
  const uint16_t head = OfferMessage(peer, {{16}, {8, kWrite}, {300, kWrite}});
  CHECK(TakeMessage(peer.queue, &chain) == MessageTaken::kChain);
  CHECK(chain.head == head && chain.descriptors.size() == 3);
  CHECK(chain.descriptors[0].len == 16 && !(chain.descriptors[0].flags & kWrite));
  CHECK(chain.descriptors[2].len == 300 && (chain.descriptors[2].flags & kWrite));
  CHECK(TakeMessage(peer.queue, &chain) == MessageTaken::kNone);
}

TEST("message queue: chains are returned in any order, and the driver is interrupted when it wants that") {
  Peer peer(16);
  CHECK(peer.Start(QueueRole::kRx, Modern(), 65535) == StartError::kNone);
  peer.avail()->idx = 65535;
  MessageChain first, second;
  OfferMessage(peer, {{16}, {8, kWrite}});
  OfferMessage(peer, {{32}});
  CHECK(TakeMessage(peer.queue, &first) == MessageTaken::kChain);
  CHECK(TakeMessage(peer.queue, &second) == MessageTaken::kChain);
  CHECK(ReturnMessage(peer.queue, second.head, 0));
  CHECK(peer.used()->idx == 0 && peer.used()->ring[15].id == second.head);
  peer.avail()->flags = VRING_AVAIL_F_NO_INTERRUPT;
  CHECK(!ReturnMessage(peer.queue, first.head, 8));
  CHECK(peer.used()->idx == 1 && peer.used()->ring[0].id == first.head && peer.used()->ring[0].len == 8);
}

TEST("message queue: what is no chain stops the queue") {
  ExpectBroken([](Peer& p) { p.avail()->idx = 17; });
  ExpectBroken([](Peer& p) { p.avail()->ring[0] = 16; });
  ExpectBroken([](Peer& p) { p.desc()[0].next = 16; });
  ExpectBroken([](Peer& p) { p.desc()[1] = {kGpa, 8, VRING_DESC_F_NEXT, 0}; });
  ExpectBroken([](Peer& p) { p.desc()[1].len = 0; });
  ExpectBroken([](Peer& p) { p.desc()[0].flags |= VRING_DESC_F_INDIRECT; });
}

TEST("message queue: a stopped queue and a packed ring have no messages, and their rings are not touched") {
  MessageChain chain;
  for (const bool packed : {false, true}) {
    Peer peer;
    const uint64_t features = Modern() | (packed ? uint64_t{1} << VIRTIO_F_RING_PACKED : 0);
    CHECK(peer.Start(QueueRole::kRx, features) == StartError::kNone);
    if (!packed) OfferMessage(peer, {{16}});
    if (!packed) peer.queue.Quiesce();
    const std::string before(reinterpret_cast<char*>(peer.at(kGpa)), peer.bytes());
    CHECK(TakeMessage(peer.queue, &chain) == MessageTaken::kNone);
    CHECK(!ReturnMessage(peer.queue, 0, 0));
    CHECK(before == std::string(reinterpret_cast<char*>(peer.at(kGpa)), peer.bytes()));
  }
}
