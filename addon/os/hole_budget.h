// SPDX-License-Identifier: BSD-3-Clause
// How many pages of another party's memory file this process may cause to exist. The addresses are logged:
// when the budget is used up, pages that the file has dropped since (a guest that returns memory to its host)
// are subtracted. For one thread at a time; async-signal-safe except for Create.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vpci {

class HoleBudget {
 public:
  // nullptr if out of memory. The object never moves.
  static HoleBudget* Create(size_t bytes);
  static void Destroy(HoleBudget* budget);

  // Whether one more page may be allocated. A recount may take a millisecond per few thousand pages.
  bool HasRoom();
  // Records that a page was allocated at this address.
  void Add(uintptr_t page) { pages_[count_++] = page; }
  size_t pages() const { return count_; }

 private:
  HoleBudget(uintptr_t* pages, size_t limit) : pages_(pages), limit_(limit) {}
  void Recount();

  uintptr_t* pages_;
  size_t limit_;
  size_t count_ = 0;
};

}  // namespace vpci
