// SPDX-License-Identifier: BSD-3-Clause
// Descriptors that a thread sleeps on together. The set holds duplicates, so that if an owner closes a
// descriptor meanwhile, the next file with that number is not mistaken for it.
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

  // Sleeps until one is readable or the time is up (-1: no limit). A signal may end the wait early, and so
  // does `loop_fd`, which becomes readable when the thread's event loop has work: that is how the thread
  // learns that it is being terminated. Eventfds are drained, anything else is left as it is. Writes the
  // positions of the readable ones, at most `capacity`, and returns how many.
  uint32_t Wait(int timeout_ms, int loop_fd, uint32_t* ready, size_t capacity);

 private:
  // The loop's descriptor comes first.
  std::vector<pollfd> fds_;
  std::vector<uint8_t> drained_;
  // The loop had work at the last check. Its descriptor stays readable until the thread returns to the loop.
  bool loop_busy_ = false;
};

}  // namespace vpci
