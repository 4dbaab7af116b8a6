// SPDX-License-Identifier: BSD-3-Clause
#include "ring/hand_back.h"

#include <sys/mman.h>

#include <fstream>

#include "burst/device_rx.h"
#include "burst/in_place.h"
#include "burst/relay.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

namespace {

constexpr uint64_t kBuffers = kGpa + 0x10000;

using Way = HandBack::Way;

// The ways that this CPU supports.
std::vector<Way> Ways() {
  HandBack hand_back;
  hand_back.Start();
  if (hand_back.way == Way::kLeave) return {Way::kLeave};
  return {Way::kLeave, Way::kClean, Way::kFlush};
}

// A sender whose packets, of many lengths, lie in read-only memory.
struct Sender : Peer {
  const std::vector<uint32_t> lengths = {60, 64, 65, 127, 129, 512, 1024, 1025, 1514};

  explicit Sender(Way way) {
    CHECK(Start(QueueRole::kRx) == StartError::kNone);
    queue.burst.hand_back.way = way;
    for (uint32_t len : lengths) OfferPacket(Bytes(len), {12 + len});
    Protect(PROT_READ);
  }
  ~Sender() { Protect(PROT_READ | PROT_WRITE); }
  void Protect(int rights) { CHECK(mprotect(at(kBuffers), bytes() - 0x10000, rights) == 0); }
};

}  // namespace

TEST("hand back: where the CPU has the instructions, whoever made it") {
  std::ifstream info("/proc/cpuinfo");
  bool able = false;
  for (std::string line; std::getline(info, line);) {
    const auto has = [words = line + " "](const char* word) { return words.find(word) != std::string::npos; };
    if (line.starts_with("flags")) able = has(" clwb ") && has(" clflushopt ");
  }
  Peer peer;
  CHECK(peer.Start(QueueRole::kRx) == StartError::kNone);
  CHECK(peer.queue.burst.hand_back.way == (able ? Way::kClean : Way::kLeave));
}

TEST("hand back: a peer is far when looks show it, and near again when they show that") {
  HandBack hand_back;
  for (int look = 0; look < 14; look++) CHECK(!hand_back.Count(380));
  CHECK(hand_back.Count(380));
  for (int look = 0; look < 14; look++) CHECK(hand_back.Count(140));
  CHECK(!hand_back.Count(140));
}

TEST("hand back: a word that was ours already, and a look that was interrupted, tell nothing") {
  HandBack hand_back;
  for (int look = 0; look < 100; look++) CHECK(!hand_back.Count(look % 2 ? 60 : 1'000'000));
  for (int look = 0; look < 100; look++) hand_back.Count(380);
  for (int look = 0; look < 100; look++) CHECK(hand_back.Count(look % 2 ? 60 : 1'000'000));
}

TEST("hand back: to receive a packet it is enough that its memory may be read") {
  for (Way way : Ways()) {
    Sender sender(way);
    Pool pool;
    uint32_t ids[16];
    CHECK(RxBurst(sender.queue, *pool, ids, 16) == sender.lengths.size());
    for (size_t i = 0; i < sender.lengths.size(); i++) CHECK(pool.Frame(ids[i]) == Bytes(sender.lengths[i]));
  }
}

TEST("hand back: so it is to read packets in place, and to relay them") {
  for (Way way : Ways()) {
    {
      Sender sender(way);
      CHECK(Peek(sender.queue, 16) == sender.lengths.size());
      CHECK(Release(sender.queue, 16) == sender.lengths.size());
    }
    Sender sender(way);
    Peer receiver;
    CHECK(receiver.Start(QueueRole::kTx) == StartError::kNone);
    for (size_t i = 0; i < sender.lengths.size(); i++) receiver.OfferBuffers({2048});
    CHECK(RelayBurst(sender.queue, receiver.queue, 16) == static_cast<int32_t>(sender.lengths.size()));
    for (uint16_t i = 0; i < sender.lengths.size(); i++)
      CHECK(receiver.UsedBytes(i, i + 1).substr(12) == Bytes(sender.lengths[i]));
  }
}
