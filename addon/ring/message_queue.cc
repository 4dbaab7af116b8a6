// SPDX-License-Identifier: BSD-3-Clause
#include "ring/message_queue.h"

#include "ring/device_queue.h"
#include "ring/shared_access.h"

namespace vpci {
namespace {

MessageTaken Refusal(const DeviceQueue& q) {
  return q.state.load() == QueueState::kBroken ? MessageTaken::kBroken : MessageTaken::kNone;
}

// False if this is not a valid chain: it leaves the ring, loops, or has an indirect table or an empty buffer.
bool ReadChain(const DeviceQueue& q, int32_t head, std::vector<VringDesc>* descriptors) {
  int64_t at = head;
  for (uint32_t left = q.size(); left > 0; left--) {
    if (at < 0 || at >= q.size()) return false;
    const VringDesc d = LoadDesc(&q.desc[at]);
    if ((d.flags & VRING_DESC_F_INDIRECT) || d.len == 0) return false;
    descriptors->push_back(d);
    if (!(d.flags & VRING_DESC_F_NEXT)) return true;
    at = d.next;
  }
  return false;
}

}  // namespace

MessageTaken TakeMessage(DeviceQueue& q, MessageChain* chain) {
  if (q.is_packed() || q.is_section()) return MessageTaken::kNone;
  const GateGuard inside(q);
  if (!inside) return Refusal(q);
  if (q.Available() == 0) return Refusal(q);
  const int32_t head = q.Head(q.last_avail_idx);
  chain->descriptors.clear();
  if (!ReadChain(q, head, &chain->descriptors)) {
    q.Break();
    return MessageTaken::kBroken;
  }
  chain->head = static_cast<uint16_t>(head);
  q.last_avail_idx++;
  return MessageTaken::kChain;
}

bool ReturnMessage(DeviceQueue& q, uint16_t head, uint32_t written) {
  if (q.is_packed() || q.is_section()) return false;
  const GateGuard inside(q);
  if (!inside) return false;
  StoreUsed(&q.used->ring[q.message_used_idx & q.mask], head, written);
  q.message_used_idx++;
  StoreRelease(&q.used->idx, q.message_used_idx);
  // Orders our index before our load of the driver's suppression word (VIRTIO 1.2, 2.7.13.4.1).
  FullFence();
  return (LoadOnce(&q.avail->flags) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
}

}  // namespace vpci
