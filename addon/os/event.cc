// SPDX-License-Identifier: BSD-3-Clause
#include "os/event.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <string_view>

#include "ring/bounded_call.h"

namespace vpci {
namespace {

int64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1000} + now.tv_nsec / 1'000'000;
}

// preadv2(2) at the file's own position, without the C library: musl has the function from 1.2.5 on only, and
// not the flag.
ssize_t ReadNoWait(int fd, uint64_t* count) {
  constexpr int kNoWait = 8;  // RWF_NOWAIT of linux/fs.h
  iovec into{count, sizeof *count};
  const ssize_t got = syscall(SYS_preadv2, fd, &into, 1UL, -1L, -1L, kNoWait);
  if (got >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) return got;
  // Kernels before 5.8 do not support RWF_NOWAIT on eventfds.
  pollfd poll_fd{fd, POLLIN, 0};
  const int ready = poll(&poll_fd, 1, 0);
  if (ready < 0) return -1;
  if (ready == 0) {
    errno = EAGAIN;
    return -1;
  }
  // Another holder may take the count first, and may have cleared O_NONBLOCK.
  const BoundedCall bound;
  if (bound.armed()) return read(fd, count, sizeof *count);
  errno = EAGAIN;
  return -1;
}

}  // namespace

int PollFd(int fd, short events, int timeout_ms) {
  pollfd poll_fd{fd, events, 0};
  const int64_t deadline = NowMs() + timeout_ms;
  for (int64_t left = timeout_ms;; left = deadline - NowMs()) {
    const int ready = poll(&poll_fd, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return -errno;
    return poll_fd.revents & POLLNVAL ? -EBADF : ready;
  }
}

bool IsHungUp(int fd) {
  pollfd entry{fd, 0, 0};
  return poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

int EventfdCreate() {
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

// The kernel's own name for the file; a path, which a peer could choose, always starts with a slash.
bool IsEventfd(int fd) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  char target[64];
  const ssize_t length = readlink(path, target, sizeof target);
  return length > 0 && std::string_view(target, static_cast<size_t>(length)) == "anon_inode:[eventfd]";
}

int EventfdDrain(int fd, uint64_t* count) {
  ssize_t got;
  do {
    got = ReadNoWait(fd, count);
  } while (got < 0 && errno == EINTR);
  if (got == sizeof *count) return 0;
  *count = 0;
  if (got >= 0) return -EINVAL;
  return errno == EAGAIN ? 0 : -errno;
}

}  // namespace vpci
