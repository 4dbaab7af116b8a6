// SPDX-License-Identifier: BSD-3-Clause
// A bound for a system call on a descriptor that others hold too, on kernels that have no call which cannot
// block: a timer of this thread interrupts it, again and again until it has.
#pragma once
#include <time.h>

namespace vpci {

class BoundedCall {
 public:
  static constexpr long kIntervalNs = 5'000'000;

  // From here on a call that blocks fails with EINTR after kIntervalNs.
  BoundedCall();
  ~BoundedCall();
  BoundedCall(const BoundedCall&) = delete;
  BoundedCall& operator=(const BoundedCall&) = delete;

  // False when there is no such timer: then the call must not be made.
  bool armed() const { return armed_; }

 private:
  bool armed_;
};

}  // namespace vpci
