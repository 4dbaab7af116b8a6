// SPDX-License-Identifier: BSD-3-Clause
// Descriptors and memory files. Functions return 0 (or a descriptor, or a size) or a negative errno.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vpci {

// The size of the hugepages that we request; other parties' files may use any.
inline constexpr size_t kHugePage = size_t{2} << 20;

struct FileInfo {
  bool regular;
  uint64_t size;
  uint64_t device;
  uint64_t inode;
};

// Rounds up to a multiple of `unit`; false on overflow.
bool RoundUp(size_t value, size_t unit, size_t* out);

// Anonymous file, close-on-exec, sealed at its size (rounded up to whole pages). -ENOMEM if hugepages are
// short.
int MemfdCreate(const char* name, size_t size, bool hugepages);

int FileStat(int fd, FileInfo* out);
// Block size of the file system (statfs f_bsize), for hugetlbfs the page size.
int64_t FilePageSize(int fd);
// Page size of a file on hugetlbfs, 0 for any other file.
int64_t HugePageSize(int fd);

// Whether a file exists in memory only, page by page: tmpfs, or a memfd without hugepages.
bool IsTmpfs(int fd);

// Locks `length` bytes for writing for as long as the open file lives (F_OFD_SETLK): 1, or 0 if another one
// holds a lock there.
int LockFile(int fd, uint64_t offset, uint64_t length);

// Closes; EINTR counts as closed, since Linux has freed the number by then.
int CloseFd(int fd);
// A duplicate, close-on-exec.
int DupFd(int fd);

}  // namespace vpci
