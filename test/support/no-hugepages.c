// SPDX-License-Identifier: BSD-3-Clause
// When preloaded, hugepages behave as in a hugetlb control group with limit 0: they can be mapped, but
// touching one raises SIGBUS. With OLD_KERNEL set, madvise does not support MADV_POPULATE_WRITE.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int huge_file = -1;

int memfd_create(const char *name, unsigned flags) {
  const int fd = (int)syscall(SYS_memfd_create, name, flags & ~(MFD_HUGETLB | MFD_HUGE_2MB));
  if (flags & MFD_HUGETLB) huge_file = fd;
  return fd;
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  if (!(flags & MAP_HUGETLB) && (fd < 0 || fd != huge_file)) {
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
  }
  const int empty = memfd_create("empty", MFD_CLOEXEC);
  void *base = (void *)syscall(SYS_mmap, address, length, protection, MAP_SHARED, empty, 0);
  close(empty);
  return base;
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  return mmap(address, length, protection, flags, fd, offset);
}

int madvise(void *address, size_t length, int advice) {
  if (advice == 23 && getenv("OLD_KERNEL")) {
    errno = EINVAL;
    return -1;
  }
  return (int)syscall(SYS_madvise, address, length, advice);
}
