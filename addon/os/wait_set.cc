// SPDX-License-Identifier: BSD-3-Clause
#include "os/wait_set.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "os/event.h"

namespace vpci {
namespace {

// How long a thread may sleep without checking its event loop, while the loop has work for it.
constexpr int kBusySliceMs = 1000;

}  // namespace

WaitSet::~WaitSet() {
  for (size_t i = 1; i < fds_.size(); i++) close(fds_[i].fd < 0 ? ~fds_[i].fd : fds_[i].fd);
}

int WaitSet::Add(int fd) {
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return -errno;
  fds_.push_back({own, POLLIN, 0});
  drained_.push_back(IsEventfd(own));
  return 0;
}

uint32_t WaitSet::Wait(int timeout_ms, int loop_fd, uint32_t* ready, size_t capacity) {
  fds_[0].fd = loop_busy_ ? -1 : loop_fd;
  if (loop_busy_ && (timeout_ms < 0 || timeout_ms > kBusySliceMs)) timeout_ms = kBusySliceMs;
  loop_busy_ = false;
  if (poll(fds_.data(), fds_.size(), timeout_ms) <= 0) return 0;
  loop_busy_ = fds_[0].revents != 0;
  uint32_t count = 0;
  for (size_t i = 1; i < fds_.size() && count < capacity; i++) {
    pollfd& entry = fds_[i];
    if (entry.revents == 0) continue;
    uint64_t events = 0;
    if (entry.revents & POLLIN && drained_[i - 1]) EventfdDrain(entry.fd, &events);
    // Broken, and permanently ready: report it once, then leave it out (poll skips negative numbers).
    if (!(entry.revents & POLLIN)) entry.fd = ~entry.fd;
    ready[count++] = static_cast<uint32_t>(i - 1);
  }
  return count;
}

}  // namespace vpci
