// SPDX-License-Identifier: BSD-3-Clause
#include "os/hole_budget.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>

namespace vpci {
namespace {

size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
size_t LogBytes(size_t limit) { return std::max<size_t>(limit, 1) * sizeof(uintptr_t); }

bool Exists(uintptr_t page) {
  unsigned char resident = 1;
  // An error counts as present: the budget is an upper bound.
  return mincore(reinterpret_cast<void*>(page), PageSize(), &resident) < 0 || (resident & 1) != 0;
}

}  // namespace

HoleBudget* HoleBudget::Create(size_t bytes) {
  const size_t limit = bytes / PageSize();
  // A mapping of its own, so that only the used part costs memory: 8 bytes per allocated page.
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* log = mmap(nullptr, LogBytes(limit), PROT_READ | PROT_WRITE, kFlags, -1, 0);
  if (log == MAP_FAILED) return nullptr;
  auto* budget = new (std::nothrow) HoleBudget(static_cast<uintptr_t*>(log), limit);
  if (!budget) munmap(log, LogBytes(limit));
  return budget;
}

void HoleBudget::Destroy(HoleBudget* budget) {
  if (!budget) return;
  munmap(budget->pages_, LogBytes(budget->limit_));
  delete budget;
}

bool HoleBudget::HasRoom() {
  if (count_ < limit_) return true;
  Recount();
  // A recount must have gained something: otherwise a peer that punches holes as fast as we fill them would
  // keep us recounting.
  return count_ < limit_ - limit_ / 8;
}

void HoleBudget::Recount() {
  uintptr_t* end = pages_ + count_;
  // A page that was dropped and allocated again is in the log twice.
  std::sort(pages_, end);
  end = std::unique(pages_, end);
  end = std::remove_if(pages_, end, [](uintptr_t page) { return !Exists(page); });
  count_ = static_cast<size_t>(end - pages_);
}

}  // namespace vpci
