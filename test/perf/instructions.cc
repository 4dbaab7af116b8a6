// SPDX-License-Identifier: BSD-3-Clause
// Sends 64-byte packets through one direction of the device role, or one end of a section, for a tool that
// counts instructions:
//   instructions rx|tx split|packed [in-order] [offload]
//   instructions rx|tx|relay section [header]
#include <cstdio>
#include <cstring>
#include <string>

#include "../ring/section_rig.h"
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/peer_traffic.h"
#include "burst/relay.h"

using namespace mock;

namespace {

constexpr uint32_t kSize = 256, kBuffer = 2048, kBurst = 32, kFrame = 64, kBursts = 400;
constexpr uint64_t kBuffers = 0x10000;

uint64_t FeaturesOf(int argc, char** argv) {
  uint64_t features = Modern();
  for (int i = 2; i < argc; i++) {
    const std::string word = argv[i];
    if (word == "packed") features |= uint64_t{1} << VIRTIO_F_RING_PACKED;
    if (word == "in-order") features |= uint64_t{1} << VIRTIO_F_IN_ORDER;
    if (word == "offload")
      features |= uint64_t{1} << VIRTIO_NET_F_CSUM | uint64_t{1} << VIRTIO_NET_F_GUEST_CSUM;
  }
  return features;
}

int Report(uint32_t packets) {
  std::printf("packets %u\n", packets);
  return packets == kBursts * kBurst ? 0 : 1;
}

// Both ends of a section; a relay goes from one section to another.
int RunSection(const std::string& mode, uint32_t hdr_bytes) {
  Sections one(0x7f000, 2048, hdr_bytes), other(0x7f000, 2048, hdr_bytes);
  Pool pool(512);
  if (!one.Start() || !other.Start()) return 1;
  const std::string frame = Bytes(kFrame);
  uint32_t packets = 0;
  for (uint32_t burst = 0; burst < kBursts; burst++) {
    uint32_t ids[kBurst];
    for (uint32_t& id : ids) id = pool.Make(frame);
    TxBurst(one.tx, *pool, ids, kBurst);
    if (mode == "relay") RelayBurst(one.far_rx, other.tx, kBurst);
    const uint32_t n = RxBurst(mode == "relay" ? other.far_rx : one.far_rx, *pool, ids, kBurst);
    pool->Free(ids, n);
    packets += n;
  }
  return Report(packets);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  if (std::string(argv[2]) == "section") return RunSection(argv[1], argc > 3 ? 12 : 0);
  const bool rx = std::string(argv[1]) == "rx";
  const uint64_t features = FeaturesOf(argc, argv);
  Peer peer(kSize, kBuffers + kSize * kBuffer);
  PeerTraffic driver;
  Pool pool(512);
  const std::string frame = Bytes(kFrame);
  const DriverQueueSetup setup{peer.at(kGpa), peer.bytes(), 0,       0x4000,   0x8000, kBuffers,
                               kGpa,          kSize,        kBuffer, features, -1};
  const uint16_t start = HasFeature(features, VIRTIO_F_RING_PACKED) ? VRING_PACKED_WRAP : 0;
  if (!driver.Init(rx ? QueueRole::kTx : QueueRole::kRx, setup) ||
      !driver.SetTemplate(reinterpret_cast<const uint8_t*>(frame.data()), kFrame) ||
      peer.Start(rx ? QueueRole::kRx : QueueRole::kTx, features, start) != StartError::kNone)
    return 1;
  uint32_t packets = 0;
  for (uint32_t burst = 0; burst < kBursts; burst++) {
    uint32_t ids[kBurst];
    if (rx) {
      driver.Generate(kBurst);
      const uint32_t n = RxBurst(peer.queue, *pool, ids, kBurst);
      pool->Free(ids, n);
      packets += n;
    } else {
      for (uint32_t& id : ids) id = pool.Make(frame);
      packets += TxBurst(peer.queue, *pool, ids, kBurst);
      driver.Receive(kBurst, false);
    }
  }
  return Report(packets);
}
