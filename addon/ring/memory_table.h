// SPDX-License-Identifier: BSD-3-Clause
// The peer's memory as mapped in this process: guest-physical ranges and their mappings. Immutable once
// built, so any number of queues on any threads translate without a lock.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

namespace vpci {

struct MemoryRegion {
  uint64_t gpa;
  uint64_t size;
  uint8_t* base;
  uint32_t mapping;         // handle of the mapping that `base` points into
  uint64_t mapping_offset;  // of `base` in the mapping
};

class MemoryTable {
 public:
  // Sorts the regions and merges those that are adjacent both in guest-physical space and in this process, so
  // that a buffer may span the seam. False if regions overlap, are empty or wrap around 2^64.
  bool Build(std::vector<MemoryRegion> regions);

  // The whole of [gpa, gpa + len), or nullptr; never a part. A zero length is translated like one byte, so
  // that it cannot smuggle in an address that was never checked (CVE-2020-10725).
  uint8_t* Translate(uint64_t gpa, uint64_t len) const {
    for (const MemoryRegion& r : regions_) {
      uint64_t offset = gpa - r.gpa;  // wraps to a huge value if gpa < r.gpa
      if (offset < r.size && len <= r.size - offset) return r.base + offset;
    }
    return nullptr;
  }

  const MemoryRegion* Find(uint64_t gpa) const;
  const std::vector<MemoryRegion>& regions() const { return regions_; }

  // Number of queues running on this table.
  std::atomic<uint32_t> users{0};

 private:
  std::vector<MemoryRegion> regions_;
};

}  // namespace vpci
