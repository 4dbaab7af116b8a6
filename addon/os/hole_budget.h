// SPDX-License-Identifier: BSD-3-Clause
// How many pages of somebody else's memory file this process may make exist. The addresses are kept: when the
// budget is used up, what the file has lost again since (a guest that gives memory back to its host) is taken
// off. For one thread at a time, and async-signal-safe but for Create.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vpci {

class HoleBudget {
 public:
  // nullptr without memory. The object is never moved.
  static HoleBudget* Create(size_t bytes);
  static void Destroy(HoleBudget* budget);

  // Whether one more page may be made. May take a millisecond a few thousand pages when it recounts.
  bool HasRoom();
  // A page was made at this address.
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
