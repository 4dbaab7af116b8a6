// SPDX-License-Identifier: BSD-3-Clause
#include "ring/signal.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "ring/bounded_call.h"

namespace vpci {
namespace {

// Completions not yet reaped; the kernel keeps room for at least this many.
constexpr unsigned kEvents = 64;

// A thread's AIO context. Threads share none, so no burst waits for another's.
class Signaller {
 public:
  Signaller() {
    if (syscall(SYS_io_setup, kEvents, &context_) < 0) context_ = 0;
    if (context_ != 0 && !Works()) Destroy();
  }
  ~Signaller() { Destroy(); }

  bool Signal(int fd) {
    if (context_ == 0) return SignalEventfdByWrite(fd);
    if (Submit(fd)) return true;
    if (errno != EAGAIN) return false;
    Reap();
    return Submit(fd) || (errno == EAGAIN && SignalEventfdByWrite(fd));
  }

 private:
  // A read of zero bytes, which an eventfd refuses before it looks at its counter. Refused or not, the
  // request is complete when this returns, and its eventfd has been signalled.
  bool Submit(int fd) {
    iocb request{};
    request.aio_lio_opcode = IOCB_CMD_PREAD;
    request.aio_fildes = static_cast<uint32_t>(fd);
    request.aio_flags = IOCB_FLAG_RESFD;
    request.aio_resfd = static_cast<uint32_t>(fd);
    iocb* requests[] = {&request};
    return syscall(SYS_io_submit, context_, 1, requests) == 1;
  }

  void Reap() {
    io_event events[kEvents];
    timespec at_once{};
    while (syscall(SYS_io_getevents, context_, 0, kEvents, events, &at_once) == kEvents) continue;
  }

  // Old kernels do not support such a read on an eventfd, and emulated ones may complete it later.
  bool Works() {
    const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) return false;
    uint64_t count = 0;
    const bool works = Submit(fd) && read(fd, &count, sizeof count) == sizeof count && count == 1;
    close(fd);
    return works;
  }

  void Destroy() {
    if (context_ != 0) syscall(SYS_io_destroy, context_);
    context_ = 0;
  }

  aio_context_t context_ = 0;
};

}  // namespace

bool SignalEventfd(int fd) {
  thread_local Signaller signaller;
  return signaller.Signal(fd);
}

bool SignalEventfdByWrite(int fd) {
  pollfd poll_fd{fd, POLLOUT, 0};
  // Anything but plain writability is a refusal (a pipe without a reader gives POLLERR).
  if (poll(&poll_fd, 1, 0) != 1 || poll_fd.revents != POLLOUT) return false;
  const BoundedCall bound;
  const uint64_t one = 1;
  return bound.armed() && write(fd, &one, sizeof one) == sizeof one;
}

}  // namespace vpci
