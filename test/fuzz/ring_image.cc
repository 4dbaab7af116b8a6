// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes both roles of the ring engine with a raw image of guest memory, rings included: no structure is
// assumed in what the peer wrote. In half of the inputs a second thread keeps writing while the bursts run,
// like a peer that changes what has just been checked.
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/peer_traffic.h"
#include "image.h"
#include "ring/message_queue.h"

namespace fuzz {
namespace {

constexpr uint32_t kBursts = 6;
constexpr uint32_t kBurst = 32;

void Device(Input& in, uint64_t features, QueueRole role, GuestMemory& memory, bool scribble) {
  Layout l = TakeLayout(in);
  Application app(8 + in.Below(48), 64u << in.Below(5));
  uint16_t last = in.Take<uint16_t>();
  if (HasFeature(features, VIRTIO_F_RING_PACKED)) last &= VRING_PACKED_WRAP | 0x3f;
  uint32_t seed = in.Take<uint16_t>();
  FillImage(memory, in);
  DeviceQueue queue;
  queue.role = role;
  if (queue.Start({&memory.table, l.desc, l.avail, l.used, l.size, last, features, -1}) != StartError::kNone)
    return;
  {
    std::optional<Scribbler> scribbler;
    if (scribble) scribbler.emplace(memory.Find(0), kMemory.size, seed);
    bool broken = false;
    for (uint32_t i = 0; i < kBursts; i++) {
      uint32_t ids[kBurst];
      const uint64_t packets = queue.counters.good_packets + queue.counters.errors;
      const uint16_t before = queue.last_avail_idx;
      uint32_t made = 0, done = 0;
      if (role == QueueRole::kRx) {
        done = RxBurst(queue, *app.pool, ids, kBurst);
        app.Hold(ids, done);
      } else {
        while (made < 8 && (ids[made] = app.Make(60 + 200 * made, made & 1 ? 100 : 2048, 0)) != kNoNext)
          made++;
        done = TxBurst(queue, *app.pool, ids, made);
        MUST(done <= made);
        app.Hold(ids + done, made - done);
      }
      // However much the peer makes up meanwhile, a burst takes no more packets than it was asked for.
      MUST(queue.counters.good_packets + queue.counters.errors - packets <= kBurst);
      if (i == 2) queue.Arm();
      if (broken) MUST(done == 0 && queue.last_avail_idx == before);
      MUST(!broken || queue.state.load() == QueueState::kBroken);
      broken = queue.state.load() == QueueState::kBroken;
      app.Check();
      if (i & 1) app.FreeAll();
    }
  }
  uint16_t at = queue.last_avail_idx;
  MUST(queue.Quiesce() == at);
}

// The device model's control queue against a driver that writes anything: a chain that is taken has at most
// as many descriptors as the ring, none of them empty, and a broken queue yields no more.
void Messages(Input& in, uint64_t features, GuestMemory& memory, bool scribble) {
  Layout l = TakeLayout(in);
  const uint16_t last = in.Take<uint16_t>();
  const uint32_t seed = in.Take<uint16_t>();
  FillImage(memory, in);
  DeviceQueue queue;
  features &= ~(uint64_t{1} << VIRTIO_F_RING_PACKED);
  if (queue.Start({&memory.table, l.desc, l.avail, l.used, l.size, last, features, -1}) != StartError::kNone)
    return;
  std::optional<Scribbler> scribbler;
  if (scribble) scribbler.emplace(memory.Find(0), kMemory.size, seed);
  MessageChain chain;
  MessageTaken taken = MessageTaken::kNone;
  for (uint32_t i = 0; i < kBursts; i++) {
    const bool broken = queue.state.load() == QueueState::kBroken;
    const uint16_t before = queue.last_avail_idx;
    taken = TakeMessage(queue, &chain);
    MUST(!broken || taken == MessageTaken::kBroken);
    MUST(queue.last_avail_idx == static_cast<uint16_t>(before + (taken == MessageTaken::kChain)));
    if (taken != MessageTaken::kChain) continue;
    MUST(chain.head < l.size && !chain.descriptors.empty() && chain.descriptors.size() <= l.size);
    for (const VringDesc& d : chain.descriptors) MUST(d.len > 0 && !(d.flags & VRING_DESC_F_INDIRECT));
    ReturnMessage(queue, chain.head, i);
  }
}

// The built-in peer against a back-end that writes anything.
void Driver(Input& in, uint64_t features, GuestMemory& memory, bool scribble) {
  constexpr uint32_t kBuffer = 256, kSize = 16;
  const auto setup = [&](uint64_t base) {
    return DriverQueueSetup{memory.Find(0), kMemory.size,  base,        base + 0x100,
                            base + 0x200,   base + 0x1000, kMemory.gpa, kSize,
                            kBuffer,        features,      -1};
  };
  PeerTraffic rx, tx;
  MUST(rx.Init(QueueRole::kRx, setup(0)) && tx.Init(QueueRole::kTx, setup(0x2000)));
  uint8_t frame[64] = {};
  MUST(tx.SetTemplate(frame, sizeof frame));
  uint8_t ops = in.Byte();
  uint32_t seed = in.Take<uint16_t>();
  // The used rings first, then the start of the buffers, where a back-end writes headers.
  for (uint64_t at : {uint64_t{0x200}, uint64_t{0x2200}, uint64_t{0x1000}}) {
    uint8_t part[0x90] = {};
    for (uint8_t& b : part) b = in.Byte();
    std::memcpy(memory.Find(at), part, sizeof part);
  }
  std::optional<Scribbler> scribbler;
  if (scribble) scribbler.emplace(memory.Find(0), kMemory.size, seed);
  for (uint32_t i = 0; i < kBursts; i++) {
    uint64_t errors = rx.counters.ring_errors;
    uint32_t done = 0;
    if (ops >> i & 1)
      done = rx.Echo(tx, kBurst);
    else
      done = rx.Receive(kBurst, true);
    MUST(done <= kSize && tx.Generate(kBurst) <= kSize);
    // One failure ends it: it is counted once, and nothing is received after it.
    MUST(rx.counters.ring_errors <= 1 && tx.counters.ring_errors <= 1);
    if (errors) MUST(done == 0);
  }
}

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input in(data, size);
  uint64_t features = fuzz::FeaturesOf(in.Take<uint16_t>());
  uint8_t mode = in.Byte();
  bool scribble = mode & 0x80;
  fuzz::GuestMemory memory({fuzz::kMemory});
  // 0 and 1: bursts; 6: messages; others: the built-in peer.
  switch (mode & 3) {
    case 0:
      fuzz::Device(in, features, vpci::QueueRole::kRx, memory, scribble);
      break;
    case 1:
      fuzz::Device(in, features, vpci::QueueRole::kTx, memory, scribble);
      break;
    case 2:
      if (mode & 4) {
        fuzz::Messages(in, features, memory, scribble);
        break;
      }
      [[fallthrough]];
    default:
      fuzz::Driver(in, features, memory, scribble);
  }
  return 0;
}
