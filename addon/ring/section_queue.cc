// SPDX-License-Identifier: BSD-3-Clause
// Starts a queue on its end of a section's ring.
#include "ring/device_queue.h"

namespace vpci {
namespace {

constexpr uint32_t kFewest = 32, kMost = 4096;

bool Aligned(uint64_t value) { return value % kSectionLine == 0; }

StartError Check(const SectionSetup& s) {
  if (s.entries < kFewest || s.entries > kMost || (s.entries & (s.entries - 1)) != 0)
    return StartError::kBadSize;
  const bool bases =
      Aligned(reinterpret_cast<uintptr_t>(s.own.base)) && Aligned(reinterpret_cast<uintptr_t>(s.peer.base));
  if (!bases || !Aligned(s.used) || !Aligned(s.data)) return StartError::kMisaligned;
  // The event word behind each ring belongs to it.
  const uint64_t avail_end = SectionAvail(s) + uint64_t{2} * s.entries + 6;
  const uint64_t used_bytes = uint64_t{8} * s.entries + 6;
  if (s.used < avail_end || s.used > s.size || used_bytes > s.size - s.used)
    return StartError::kOutsideMemory;
  if (s.data < s.used + used_bytes || s.data > s.size) return StartError::kOutsideMemory;
  const bool fits = FrameBegin(0, s.hdr_bytes) + uint64_t{s.hdr_bytes} + s.max_frame <= s.size - s.data;
  return fits ? StartError::kNone : StartError::kOutsideMemory;
}

// Without a header there are no offloads; events are always by index.
uint64_t Features(const SectionSetup& s) {
  constexpr uint64_t kRing = uint64_t{1} << VIRTIO_F_RING_PACKED | uint64_t{1} << VIRTIO_F_IN_ORDER |
                             uint64_t{1} << VIRTIO_F_RING_INDIRECT_DESC;
  const uint64_t packets = s.hdr_bytes != 0 ? s.features & ~kRing : 0;
  return packets | uint64_t{1} << VIRTIO_F_RING_EVENT_IDX;
}

}  // namespace

// An address is a byte offset in the section, and only of the data: guest-physical addresses, as it were.
StartError DeviceQueue::StartSection(const SectionSetup& s) {
  if (const StartError error = Vacate(); error != StartError::kNone) return error;
  if (const StartError error = Check(s); error != StartError::kNone) return error;
  const bool sends = role == QueueRole::kTx;
  const SectionPart& part = sends ? s.own : s.peer;
  section_memory.Build(
      {{s.data, s.size - s.data, part.base + s.data, part.mapping, part.mapping_offset + s.data}});
  memory = &section_memory;
  region_size = 0;
  // A sender of sections fetches the lines of a whole batch before it writes them, which hides what a line
  // that is handed back would spare: near cores lost a third of their rate by it (docs/performance.md).
  burst.Start(HandBack::Way::kLeave);
  packed = nullptr;
  desc = sends ? nullptr : reinterpret_cast<const VringDesc*>(s.peer.base);
  avail = sends ? nullptr : reinterpret_cast<const VringAvail*>(s.peer.base + SectionAvail(s));
  used = sends ? nullptr : reinterpret_cast<VringUsed*>(s.own.base + s.used);
  ring_size = s.entries;
  last_avail_idx = message_used_idx = 0;
  features = Features(s);
  hdr_bytes = static_cast<uint16_t>(s.hdr_bytes);
  mergeable = false;
  variant = VariantOf(features) | kVariantSection;
  sender = sends ? &own_sender : nullptr;
  gate = &own_gate;
  serial = 0;
  position = &unread_position;
  if (sends) own_sender.Start(s);
  TranslateElsewhere(s.data, 1);
  AskForKicks(false);
  Open(s.notify_fd);
  return StartError::kNone;
}

}  // namespace vpci
