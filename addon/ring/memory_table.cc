// SPDX-License-Identifier: BSD-3-Clause
#include "ring/memory_table.h"

#include <algorithm>

namespace vpci {

bool MemoryTable::Build(std::vector<MemoryRegion> regions) {
  std::sort(regions.begin(), regions.end(),
            [](const MemoryRegion& a, const MemoryRegion& b) { return a.gpa < b.gpa; });
  std::vector<MemoryRegion> joined;
  for (const MemoryRegion& r : regions) {
    // The last byte must not lie beyond 2^64 - 1.
    if (r.size == 0 || r.gpa + (r.size - 1) < r.gpa) return false;
    if (!joined.empty()) {
      MemoryRegion& last = joined.back();
      if (r.gpa - last.gpa < last.size) return false;
      bool touches =
          r.gpa - last.gpa == last.size && r.base == last.base + last.size && r.mapping == last.mapping;
      if (touches) {
        last.size += r.size;
        continue;
      }
    }
    joined.push_back(r);
  }
  regions_ = std::move(joined);
  return true;
}

const MemoryRegion* MemoryTable::Find(uint64_t gpa) const {
  for (const MemoryRegion& r : regions_)
    if (gpa - r.gpa < r.size) return &r;
  return nullptr;
}

}  // namespace vpci
