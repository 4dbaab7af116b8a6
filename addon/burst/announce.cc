// SPDX-License-Identifier: BSD-3-Clause
#include "burst/announce.h"

#include <cstring>

namespace vpci {
namespace {

constexpr uint64_t kWaits = uint64_t{1} << 48;
// Minimum length of an Ethernet frame, without the FCS.
constexpr uint32_t kFrameBytes = 60;

// RFC 903, "request reverse": the sender asks for its own address. Nobody is meant to answer; switches learn
// where the address is. Ethernet header, then ARP for Ethernet over IPv4.
void WriteRarp(uint8_t* frame, const uint8_t mac[6]) {
  constexpr uint8_t kHead[] = {0x80, 0x35, 0, 1, 0x08, 0, 6, 4, 0, 3};
  std::memset(frame, 0, kFrameBytes);
  std::memset(frame, 0xff, 6);
  std::memcpy(frame + 6, mac, 6);
  std::memcpy(frame + 12, kHead, sizeof kHead);
  std::memcpy(frame + 22, mac, 6);  // sender
  std::memcpy(frame + 32, mac, 6);  // target
}

}  // namespace

uint64_t Announcement(const uint8_t mac[6]) {
  uint64_t value = 0;
  std::memcpy(&value, mac, 6);
  return value | kWaits;
}

bool TakeAnnouncement(DeviceQueue& q, MbufPool& pool, uint32_t* id) {
  if (!pool.Alloc(id, 1)) {
    q.counters.mbuf_alloc_failed++;
    return false;
  }
  const uint64_t value = q.announce.exchange(0, std::memory_order_relaxed);
  if (value == 0) {
    pool.Free(id, 1);
    return false;
  }
  uint8_t mac[6];
  std::memcpy(mac, &value, sizeof mac);
  uint8_t* frame = pool.buffer(*id) + pool.headroom();
  WriteRarp(frame, mac);
  pool.data_len()[*id] = kFrameBytes;
  pool.pkt_len()[*id] = kFrameBytes;
  pool.ol_flags()[*id] = 0;
  uint64_t first8;
  std::memcpy(&first8, frame, sizeof first8);
  q.counters.CountFrame(first8, kFrameBytes);
  q.counters.rarp_packets++;
  return true;
}

}  // namespace vpci
