// SPDX-License-Identifier: BSD-3-Clause
#include "ring/driver_queue.h"

#include <bit>

namespace vpci {

bool DriverQueue::InitRing(QueueRole role, const DriverQueueSetup& s) {
  packed_ = HasFeature(s.features, VIRTIO_F_RING_PACKED);
  if (!(packed_ ? PackedDriverRing::Fits(s) : SplitDriverRing::Fits(s))) return false;
  kick_fd_ = s.kick_fd;
  free_.assign(std::bit_ceil(s.size), 0);
  free_mask_ = static_cast<uint32_t>(free_.size()) - 1;
  free_head_ = free_count_ = 0;
  OnRing([&](auto& ring) { ring.Init(s, role); });
  for (uint32_t id = 0; id < s.size; id++) GiveFree(id);
  return true;
}

}  // namespace vpci
