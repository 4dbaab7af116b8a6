// SPDX-License-Identifier: BSD-3-Clause
// Descriptors that a thread sleeps on together. The set holds duplicates, so that a descriptor which its
// owner closes meanwhile is not mistaken for whatever gets its number next.
#pragma once
#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vpci {

class WaitSet {
 public:
  WaitSet() : fds_{{-1, POLLIN, 0}} {}
  ~WaitSet();
  WaitSet(const WaitSet&) = delete;
  WaitSet& operator=(const WaitSet&) = delete;

  // 0 or a negative errno.
  int Add(int fd);

  // Sleeps until one is readable or the time is over (-1: for ever); a signal may end it early, and so does
  // `loop_fd`, which becomes readable when the thread's event loop has work: so the thread learns that it is
  // to be terminated. Eventfds are drained, anything else stays as it is. Writes the positions of those that
  // were readable, at most `capacity`, and returns how many.
  uint32_t Wait(int timeout_ms, int loop_fd, uint32_t* ready, size_t capacity);

 private:
  // The loop's comes first.
  std::vector<pollfd> fds_;
  std::vector<uint8_t> drained_;
  // The loop had work when it was looked at last. It stays readable while the thread does not return to it.
  bool loop_busy_ = false;
};

}  // namespace vpci
