// SPDX-License-Identifier: BSD-3-Clause
// The frame of every burst: enter the gates, select the ring kind, work in batches, hand lines back, count,
// leave.
//
//   Burst<DeviceQueue> burst(q);
//   if (!burst) return 0;
//   const uint32_t n = OnRing(q, [&]<class Ring>() { return WorkOn<Ring>(q, ...); });
//   burst.Count(n);
//   return n;
#pragma once
#include <cstdint>

#include "burst/ring_choice.h"
#include "ring/counters.h"
#include "ring/device_queue.h"
#include "ring/gate.h"

namespace vpci {

// Packets inspected before the first is copied: enough to hide the latency of lines that the peer's core has
// just written, few enough for their addresses to stay in the L1 cache. It is also the number of pending
// slots at which a burst publishes at the latest.
inline constexpr uint32_t kBatch = 32;

// What a transmit burst has done.
struct TxProgress {
  uint32_t taken = 0;  // of the application's packets
  uint32_t sent = 0;   // frames given to the peer
};

// Counts the packets that a burst has moved. A burst that moved none on purpose is not counted as empty.
inline void CountMoved(QueueCounters& counters, uint32_t packets) {
  counters.good_packets += packets;
  counters.bursts += packets != 0;
}

// Inside the gates for one burst.
template <class Queue>
class Burst : public GateGuard<Queue> {
 public:
  using GateGuard<Queue>::GateGuard;

  // Call once, with the number of packets that the burst has moved.
  void Count(uint32_t packets) {
    CountMoved(this->q_.counters, packets);
    this->q_.counters.empty_bursts += packets == 0;
  }
};

// Hands the lines of the descriptors that `entries[0..n)` name back to the peer (ring/hand_back.h). We write
// those of a packed ring ourselves, so they go back anyway.
template <class T>
inline void GiveBackDescriptors(const DeviceQueue& q, const HandBack& hand_back, const T* entries, uint32_t n,
                                uint16_t T::*id) {
  if (!q.is_packed()) hand_back.Descriptors(q.desc, entries, n, id);
}

// Hands back what was read of `packets[0..n)`, the next `n` of the ring; their members give the header, the
// length behind it, and the id. Descriptors are handed back only when the ring has run dry: it does not help
// a peer that is ahead of us, nor in a section, whose sender rarely writes them. Call it before the packets
// are returned, after which the peer may rewrite the lines. The local copy is one that the compiler knows no
// store into the peer's memory can change.
template <class Ring, class T>
inline void GiveBackRead(const DeviceQueue& q, const Ring& ring, const T* packets, uint32_t n) {
  if (!q.burst.hand_back.Pays(n)) return;
  const HandBack hand_back = q.burst.hand_back;
  for (uint32_t i = 0; i < n; i++) hand_back.Packet(packets[i].header + q.hdr_bytes, packets[i].len);
  if (!q.is_packed() && !q.is_section() && !ring.Has(n)) hand_back.Descriptors(q.desc, packets, n, &T::id);
}

}  // namespace vpci
