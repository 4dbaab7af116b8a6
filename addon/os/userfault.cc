// SPDX-License-Identifier: BSD-3-Clause
#include "os/userfault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vpci {
namespace {

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

int OpenUserfault() {
  // Faults inside the kernel, in a system call that is passed such memory, then give EFAULT; no privilege is
  // needed since Linux 5.11, and older kernels do not support the flag.
  constexpr int kFlags = O_CLOEXEC | O_NONBLOCK;
  int fd = static_cast<int>(syscall(SYS_userfaultfd, kFlags | UFFD_USER_MODE_ONLY));
  if (fd < 0 && errno == EINVAL) fd = static_cast<int>(syscall(SYS_userfaultfd, kFlags));
  if (fd < 0) return -errno;
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM;
  if (ioctl(fd, UFFDIO_API, &api) == 0) return fd;
  const int error = -errno;
  close(fd);
  return error;
}

// One per process, never closed: closing it would allow allocation everywhere again.
int TheUserfault() {
  static const int fd = OpenUserfault();
  return fd;
}

}  // namespace

int UserfaultRegister(void* base, size_t length) {
  const int fd = TheUserfault();
  if (fd < 0) return fd;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  uffdio_register request{};
  request.range.start = reinterpret_cast<uintptr_t>(base);
  request.range.len = (length + page - 1) / page * page;
  request.mode = UFFDIO_REGISTER_MODE_MISSING;
  return ioctl(fd, UFFDIO_REGISTER, &request) < 0 ? -errno : 0;
}

int UserfaultFill(uintptr_t page) {
  uffdio_zeropage request{};
  request.range.start = page;
  request.range.len = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (ioctl(TheUserfault(), UFFDIO_ZEROPAGE, &request) == 0) return 1;
  // EAGAIN: the address space was changing; the access is retried anyway.
  return errno == EEXIST || errno == EAGAIN ? 0 : -errno;
}

}  // namespace vpci
