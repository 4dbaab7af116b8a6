// SPDX-License-Identifier: BSD-3-Clause
#include "ring/section_sender.h"

#include <algorithm>

namespace vpci {

void SectionSender::Start(const SectionSetup& s) {
  desc = reinterpret_cast<VringDesc*>(s.own.base);
  avail = reinterpret_cast<VringAvail*>(s.own.base + SectionAvail(s));
  used = reinterpret_cast<const VringUsed*>(s.peer.base + s.used);
  data = s.own.base + s.data;
  data_offset = s.data;
  // Sums of two positions must not wrap.
  constexpr uint64_t kMost = uint64_t{1} << 31;
  data_bytes = static_cast<uint32_t>(std::min(s.size - s.data, kMost)) & ~(kSectionLine - 1);
  mask = s.entries - 1;
  max_frame = s.max_frame;
  hdr_bytes = s.hdr_bytes;
  next = exposed = used_idx = 0;
  head = tail = 0;
  lap_begin = 0;
  turn = kLeastLap;
  end.assign(s.entries, 0);
  Settle();
  for (uint32_t i = 0; i < s.entries; i++) StoreOnce(&avail->ring[i], static_cast<uint16_t>(i));
  StoreOnce(&avail->flags, uint16_t{0});
  AskForReturns(false);
  StoreRelease(&avail->idx, next);
}

bool SectionSender::HasRoom() const {
  const uint32_t bytes = hdr_bytes + max_frame, first = FrameBegin(0, hdr_bytes);
  if (free_entries() == 0) return false;
  if (next == used_idx || Fits(FrameBegin(head, hdr_bytes), bytes, limit)) return true;
  return head > tail && Fits(first, bytes, tail);
}

bool SectionSender::Reclaim() {
  const uint16_t idx = LoadAcquire(&used->idx);
  const uint32_t n = static_cast<uint16_t>(idx - used_idx);
  if (n == 0) return true;
  if (n > static_cast<uint16_t>(exposed - used_idx)) return false;
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t at = (used_idx + i) & mask;
    const VringUsedElem* e = &used->ring[at];
    if (LoadOnce(&e->id) != at || LoadOnce(&e->len) != 1) return false;
  }
  used_idx = idx;
  tail = end[(idx - 1u) & mask];
  Settle();
  // An event index that was passed comes up again after 2^16 entries.
  if (static_cast<uint16_t>(used_idx - event) > 0x4000) AskForReturns(false);
  return true;
}

}  // namespace vpci
