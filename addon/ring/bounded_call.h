// SPDX-License-Identifier: BSD-3-Clause
// Bounds a system call on a descriptor that others hold too, on kernels that offer no non-blocking form of
// it: a timer of this thread interrupts the call, repeatedly, until it returns.
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

  // False if the timer could not be created: the call must not be made then.
  bool armed() const { return armed_; }

 private:
  bool armed_;
};

}  // namespace vpci
