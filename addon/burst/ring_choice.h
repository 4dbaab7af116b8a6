// SPDX-License-Identifier: BSD-3-Clause
// Runs a burst's work on the ring type that the queue's ring layout and features call for: chosen once per
// burst, so that no packet pays for it. A new ring layout is one more case here.
#pragma once
#include "ring/device_queue.h"
#include "ring/packed_ring.h"
#include "ring/split_ring.h"
#include "ring/variant.h"

namespace vpci {

// The receiver's end of a section.
using SectionReadRing = SplitRing<false, true>;

// Calls `run` with the type of the queue's ring. Each used entry carries its own length.
template <class Run>
inline auto OnRing(const DeviceQueue& q, Run run) {
  return q.is_packed() ? run.template operator()<PackedRing<false>>()
                       : run.template operator()<SplitRing<false>>();
}

// The same for a queue that reads the peer's packets, which may be a section's.
template <class Run>
inline auto OnPeekRing(const DeviceQueue& q, Run run) {
  return q.is_section() ? run.template operator()<SectionReadRing>() : OnRing(q, run);
}

// The same for bursts that read the peer's packets: used lengths are 0, so with IN_ORDER one used entry may
// return a whole batch.
template <class Run>
inline auto OnReadRing(const DeviceQueue& q, Run run) {
  switch (q.variant & (kVariantInOrder | kVariantPacked | kVariantSection)) {
    case 0:
      return run.template operator()<SplitRing<false>>();
    case kVariantInOrder:
      return run.template operator()<SplitRing<true>>();
    case kVariantSection:
      return run.template operator()<SectionReadRing>();
    case kVariantPacked:
      return run.template operator()<PackedRing<false>>();
    default:
      return run.template operator()<PackedRing<true>>();
  }
}

}  // namespace vpci
