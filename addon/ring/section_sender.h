// SPDX-License-Identifier: BSD-3-Clause
// The sender of a section (docs/device-abi.md, "RFC 2.1"): a split ring in the driver role, and a byte ring
// of frames behind it. The ring is ours; only the used ring is in the peer's section, which may be mapped for
// reading only.
//
// On some carriers the peer can write into our section too. So everything that the sender relies on is kept
// here, and nothing is read back from the section but to spare a store.
#pragma once
#include <cstdint>
#include <vector>

#include "ring/layout.h"
#include "ring/notify.h"
#include "ring/shared_access.h"

namespace vpci {

// One queue pair's part of a section.
struct SectionPart {
  uint8_t* base;
  uint32_t mapping;         // handle of the mapping that `base` points into
  uint64_t mapping_offset;  // of `base` in the mapping
};

struct SectionSetup {
  SectionPart own;
  SectionPart peer;  // only read
  uint64_t size;     // bytes of each part
  uint32_t entries;  // of each ring
  uint64_t used;     // byte offsets in either part: the used ring, and the data
  uint64_t data;
  uint32_t hdr_bytes;  // of the virtio-net header before each frame: 0 or 12
  uint32_t max_frame;
  uint64_t features;
  int notify_fd;
};

// Descriptors and available ring come first, laid out like those of Linux' vring_init.
inline uint64_t SectionAvail(const SectionSetup& s) { return uint64_t{s.entries} * sizeof(VringDesc); }

inline constexpr uint32_t kSectionLine = 64;

// A packet begins at a cache line, right behind its virtio-net header: copies are aligned, and a header that
// does not change stays in the caches of both cores. Byte of the data where the first frame behind byte
// `head` begins.
inline constexpr uint32_t FrameBegin(uint32_t head, uint32_t hdr_bytes) {
  return ((head + hdr_bytes + kSectionLine - 1) & ~(kSectionLine - 1)) - hdr_bytes;
}
// Whether `bytes` bytes fit from `begin` to `limit`.
inline constexpr bool Fits(uint32_t begin, uint32_t bytes, uint32_t limit) {
  return begin <= limit && bytes <= limit - begin;
}

struct SectionSender {
  // Frames that a lap has at least, if they fit.
  static constexpr uint16_t kLeastLap = 32;

  // --- set by Start
  VringDesc* desc = nullptr;
  VringAvail* avail = nullptr;
  const VringUsed* used = nullptr;
  uint8_t* data = nullptr;
  uint64_t data_offset = 0;  // of `data` in the section
  uint32_t data_bytes = 0;
  uint32_t mask = 0;
  uint32_t max_frame = 0;
  uint32_t hdr_bytes = 0;

  // --- positions; the descriptor of entry `i` (free-running) is i & mask, so the available ring is constant
  uint16_t next = 0;      // entry of the next frame
  uint16_t exposed = 0;   // the first that the peer does not see yet
  uint16_t used_idx = 0;  // the oldest that the peer has not returned
  uint16_t event = 0;     // the used event that the peer finds
  uint32_t head = 0;      // byte of `data` behind the last frame; the next one has to end before `limit`
  uint32_t limit = 0;
  uint32_t tail = 0;       // byte behind the frame that was returned last
  uint16_t lap_begin = 0;  // entry that was the first at the start of the data
  uint16_t turn = 0;       // entry before which to consider going round (SectionRing::Turn)
  // Byte behind the room of each entry's frame.
  std::vector<uint32_t> end;

  void Start(const SectionSetup& setup);

  uint32_t free_entries() const { return mask + 1 - static_cast<uint16_t>(next - used_idx); }
  // Whether the largest frame fits.
  bool HasRoom() const;

  // Takes back what the peer has returned, which must be in order; false if the peer broke a rule.
  bool Reclaim();
  // Whether the peer has returned anything that was not taken back yet.
  bool Returned() const { return LoadAcquire(&used->idx) != used_idx; }

  // Makes the entries up to `next` visible to the peer; the caller then asks WantsKick, behind a full fence.
  void Expose() {
    exposed = next;
    StoreRelease(&avail->idx, next);
  }
  // Whether the peer wants to hear of the last `n` entries exposed (VIRTIO 1.2, 2.7.13.3.1).
  bool WantsKick(uint32_t n) const {
    const uint16_t wanted = LoadOnce(reinterpret_cast<const uint16_t*>(&used->ring[mask + 1]));
    return NeedEvent(wanted, exposed, static_cast<uint16_t>(exposed - n));
  }
  // Whether the peer notifies us when it returns the next entry (VIRTIO 1.2, 2.7.7.2).
  void AskForReturns(bool want) {
    event = static_cast<uint16_t>(used_idx - (want ? 0 : 1));
    StoreRelease(&avail->ring[mask + 1], event);
  }

  // Call when frames have left either end of those in flight: finds `limit` again. In flight is what lies
  // from `tail` to `head`; a `head` that is not above `tail` has gone round.
  void Settle() { limit = head > tail || next == used_idx ? data_bytes : tail; }
};

}  // namespace vpci
