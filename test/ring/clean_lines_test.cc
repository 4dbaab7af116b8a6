// SPDX-License-Identifier: BSD-3-Clause
#include "ring/clean_lines.h"

#include <sys/mman.h>

#include <fstream>

#include "check.h"
#include "mock_peer.h"
#include "ring/device_rx.h"
#include "ring/in_place.h"
#include "ring/relay.h"

using namespace mock;

namespace {

constexpr uint64_t kBuffers = kGpa + 0x10000;

// A sender whose packets, of many lengths, lie in memory that may only be read.
struct Sender : Peer {
  const std::vector<uint32_t> lengths = {60, 64, 65, 127, 129, 512, 1024, 1025, 1514};

  Sender() {
    CHECK(Start(QueueRole::kRx) == StartError::kNone);
    for (uint32_t len : lengths) OfferPacket(Bytes(len), {12 + len});
    Protect(PROT_READ);
  }
  ~Sender() { Protect(PROT_READ | PROT_WRITE); }
  void Protect(int rights) { CHECK(mprotect(at(kBuffers), bytes() - 0x10000, rights) == 0); }
};

}  // namespace

TEST("clean lines: where the CPU is AMD's and has CLWB") {
  std::ifstream info("/proc/cpuinfo");
  bool amd = false, clwb = false;
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("vendor_id")) amd = line.ends_with("AuthenticAMD");
    if (line.starts_with("flags")) clwb = (line + " ").find(" clwb ") != std::string::npos;
  }
  CHECK(CleaningPays() == (amd && clwb));
  Peer peer;
  CHECK(peer.Start(QueueRole::kRx) == StartError::kNone);
  CHECK(peer.queue.cleans_lines == CleaningPays());
}

TEST("clean lines: to receive a packet it is enough that its memory may be read") {
  Sender sender;
  Pool pool;
  uint32_t ids[16];
  CHECK(RxBurst(sender.queue, *pool, ids, 16) == sender.lengths.size());
  for (size_t i = 0; i < sender.lengths.size(); i++) CHECK(pool->pkt_len()[ids[i]] == sender.lengths[i]);
}

TEST("clean lines: so it is to read packets in place, and to relay them") {
  {
    Sender sender;
    CHECK(Peek(sender.queue, 16) == sender.lengths.size());
    CHECK(Release(sender.queue, 16) == sender.lengths.size());
  }
  Sender sender;
  Peer receiver;
  CHECK(receiver.Start(QueueRole::kTx) == StartError::kNone);
  for (size_t i = 0; i < sender.lengths.size(); i++) receiver.OfferBuffers({2048});
  CHECK(RelayBurst(sender.queue, receiver.queue, 16) == static_cast<int32_t>(sender.lengths.size()));
  for (size_t i = 0; i < sender.lengths.size(); i++)
    CHECK(receiver.used()->ring[i].len == 12 + sender.lengths[i]);
}
