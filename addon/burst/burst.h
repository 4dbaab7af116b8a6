// SPDX-License-Identifier: BSD-3-Clause
// The frame of every burst: enter the gate, pick the kind of ring, work in batches, give lines back, count,
// leave.
//
//   Burst<DeviceQueue> burst(q);
//   if (!burst) return 0;
//   const uint32_t n = OnRing(q, [&]<class Ring>() { return WorkOn<Ring>(q, ...); });
//   burst.Count(n);
//   return n;
#pragma once
#include <cstdint>

#include "ring/counters.h"
#include "ring/device_queue.h"
#include "ring/gate.h"
#include "ring/packed_ring.h"
#include "ring/split_ring.h"
#include "ring/variant.h"

namespace vpci {

// Packets looked at before the first is copied: enough to hide the latency of the lines that the peer's core
// has just written, few enough for their addresses to stay in the first-level cache. A burst also publishes
// at the latest when this many slots are pending.
inline constexpr uint32_t kBatch = 32;

// The packets that a burst has moved. One that moved none on purpose is not counted as empty.
inline void CountMoved(QueueCounters& counters, uint32_t packets) {
  counters.good_packets += packets;
  counters.bursts += packets != 0;
}

// Inside the gates for one burst.
template <class Queue>
class Burst : public GateGuard<Queue> {
 public:
  using GateGuard<Queue>::GateGuard;

  // To be called once, with the packets that the burst has moved.
  void Count(uint32_t packets) {
    CountMoved(this->q_.counters, packets);
    this->q_.counters.empty_bursts += packets == 0;
  }
};

// Calls `run` with the kind of the queue's ring. Each used entry says its own length.
template <class Run>
inline auto OnRing(const DeviceQueue& q, Run run) {
  return q.is_packed() ? run.template operator()<PackedRing<false>>()
                       : run.template operator()<SplitRing<false>>();
}

// The same for bursts that read the peer's packets: used lengths are 0, so that with IN_ORDER one used entry
// may stand for a batch.
template <class Run>
inline auto OnReadRing(const DeviceQueue& q, Run run) {
  switch (q.variant & (kVariantInOrder | kVariantPacked)) {
    case 0:
      return run.template operator()<SplitRing<false>>();
    case kVariantInOrder:
      return run.template operator()<SplitRing<true>>();
    case kVariantPacked:
      return run.template operator()<PackedRing<false>>();
    default:
      return run.template operator()<PackedRing<true>>();
  }
}

// Gives the lines of the descriptors that `entries[0..n)` name back to the peer (ring/hand_back.h). Those of
// a packed ring are written by us, and go back by themselves.
template <class T>
inline void GiveBackDescriptors(const DeviceQueue& q, const HandBack& hand_back, const T* entries, uint32_t n,
                                uint16_t T::*id) {
  if (!q.is_packed()) hand_back.Descriptors(q.desc, entries, n, id);
}

// Gives back what was read of `packets[0..n)`, whose members say where the header is, how many bytes are
// behind it, and the id; they are the next `n` of the ring. Descriptors only when the ring has run dry: a
// peer that is ahead of us gains nothing by it. To be called before they are shown as used, when the peer may
// write the lines anew. The copy is what no store into the peer's memory can be taken to change.
template <class Ring, class T>
inline void GiveBackRead(const DeviceQueue& q, const Ring& ring, const T* packets, uint32_t n) {
  if (!q.burst.hand_back.Pays(n)) return;
  const HandBack hand_back = q.burst.hand_back;
  for (uint32_t i = 0; i < n; i++) hand_back.Packet(packets[i].header + q.hdr_bytes, packets[i].len);
  if (!q.is_packed() && !ring.Has(n)) hand_back.Descriptors(q.desc, packets, n, &T::id);
}

}  // namespace vpci
