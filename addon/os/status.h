// SPDX-License-Identifier: BSD-3-Clause
// statx(2), and fstat(2) and lstat(2) by it. Those are new in glibc 2.33; what stands in for them in older
// ones reaches errno by static TLS, and a library with that cannot be loaded at run time. musl has statx
// from 1.2.5 on only (Alpine 3.20), so the call is made without the C library.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
// For struct statx, which old headers of musl lack.
#ifndef STATX_BASIC_STATS
#include <linux/stat.h>
#endif

namespace vpci {

inline int Statx(int fd, const char* path, int flags, unsigned wanted, struct statx* status) {
  return static_cast<int>(syscall(SYS_statx, fd, path, flags, wanted, status));
}

inline int StatusOf(int fd, struct statx* status) {
  return Statx(fd, "", AT_EMPTY_PATH | AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS, status);
}

inline int StatusOfLink(const char* path, struct statx* status) {
  return Statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS, status);
}

}  // namespace vpci
