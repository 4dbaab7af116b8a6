// SPDX-License-Identifier: BSD-3-Clause
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "os/populate.h"
#include "os/status.h"

namespace vpci {
namespace {

// Makes a shortage appear here as an error and not as a SIGBUS on first touch: one of the machine at mmap,
// which reserves the pages for the file, one of a control group when they are touched. The pages stay after
// unmapping.
int TakeHugePages(int fd, size_t size) {
  void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return -errno;
  const int error = PopulateHugePages(base, size);
  munmap(base, size);
  return error;
}

int SizeAndSeal(int fd, size_t size, bool hugepages) {
  if (ftruncate(fd, static_cast<off_t>(size)) < 0) return -errno;
  if (hugepages) {
    if (const int error = TakeHugePages(fd, size)) return error;
  }
  // F_SEAL_SEAL: whoever is handed the file could add F_SEAL_FUTURE_WRITE, and no one else could map it for
  // writing.
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) return -errno;
  return 0;
}

}  // namespace

bool RoundUp(size_t value, size_t unit, size_t* out) {
  size_t sum;
  if (__builtin_add_overflow(value, unit - 1, &sum)) return false;
  *out = sum / unit * unit;
  return true;
}

int MemfdCreate(const char* name, size_t size, bool hugepages) {
  const size_t page = hugepages ? kHugePage : static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t rounded;
  if (!RoundUp(size, page, &rounded)) return -EINVAL;
  const unsigned huge = hugepages ? MFD_HUGETLB | MFD_HUGE_2MB : 0;
  const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | huge);
  if (fd < 0) {
    // A kernel without 2 MiB pages returns ENOENT, ENODEV, EINVAL or ENOSYS; to the caller, none are
    // available.
    const bool none = hugepages && errno != EMFILE && errno != ENFILE;
    return none ? -ENOMEM : -errno;
  }
  if (const int error = SizeAndSeal(fd, rounded, hugepages)) {
    close(fd);
    return error;
  }
  return fd;
}

int FileStat(int fd, FileInfo* out) {
  struct statx status;
  if (StatusOf(fd, &status) < 0) return -errno;
  *out = {S_ISREG(status.stx_mode), static_cast<uint64_t>(status.stx_size),
          makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino};
  return 0;
}

int64_t FilePageSize(int fd) {
  struct statfs status;
  if (fstatfs(fd, &status) < 0) return -errno;
  return status.f_bsize;
}

int64_t HugePageSize(int fd) {
  struct statfs status;
  if (fstatfs(fd, &status) < 0) return -errno;
  return status.f_type == HUGETLBFS_MAGIC ? status.f_bsize : 0;
}

bool IsTmpfs(int fd) {
  struct statfs status;
  return fstatfs(fd, &status) == 0 && status.f_type == TMPFS_MAGIC;
}

int LockFile(int fd, uint64_t offset, uint64_t length) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(offset);
  lock.l_len = static_cast<off_t>(length);
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return 1;
  return errno == EAGAIN || errno == EACCES ? 0 : -errno;
}

int CloseFd(int fd) { return close(fd) < 0 && errno != EINTR ? -errno : 0; }

int DupFd(int fd) {
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return copy < 0 ? -errno : copy;
}

}  // namespace vpci
