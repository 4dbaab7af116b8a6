// SPDX-License-Identifier: BSD-3-Clause
#include "os/wait_set.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "os/event.h"

namespace vpci {

WaitSet::~WaitSet() {
  for (const pollfd& entry : fds_) close(entry.fd < 0 ? ~entry.fd : entry.fd);
}

int WaitSet::Add(int fd) {
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return -errno;
  fds_.push_back({own, POLLIN, 0});
  drained_.push_back(IsEventfd(own));
  return 0;
}

uint32_t WaitSet::Wait(int timeout_ms, uint32_t* ready, size_t capacity) {
  if (poll(fds_.data(), fds_.size(), timeout_ms) <= 0) return 0;
  uint32_t count = 0;
  for (size_t i = 0; i < fds_.size() && count < capacity; i++) {
    pollfd& entry = fds_[i];
    if (entry.revents == 0) continue;
    uint64_t events = 0;
    if (entry.revents & POLLIN && drained_[i]) EventfdDrain(entry.fd, &events);
    // Broken, and for ever ready: told once, then left out (poll skips a negative number).
    if (!(entry.revents & POLLIN)) entry.fd = ~entry.fd;
    ready[count++] = static_cast<uint32_t>(i);
  }
  return count;
}

}  // namespace vpci
