// SPDX-License-Identifier: BSD-3-Clause
// fstat(2) and lstat(2) by statx(2). The functions themselves are new in glibc 2.33; what stands in for them
// in older ones reaches errno by static TLS, and a library with that cannot be loaded at run time.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>

namespace vpci {

inline int StatusOf(int fd, struct statx* status) {
  return statx(fd, "", AT_EMPTY_PATH | AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS, status);
}

inline int StatusOfLink(const char* path, struct statx* status) {
  return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS, status);
}

}  // namespace vpci
