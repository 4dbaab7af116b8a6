// SPDX-License-Identifier: BSD-3-Clause
#include "os/mapping.h"

#include <errno.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <mutex>
#include <new>
#include <unordered_map>

#include "os/file.h"
#include "os/populate.h"
#include "os/status.h"

namespace vpci {
namespace {

// Hugepages that were free to be mapped could not be allocated.
std::atomic<bool> hugepages_refused;

struct Entry {
  Mapping mapping;
  // Bytes passed to mmap: the length rounded up to whole pages of the file.
  size_t mapped;
  bool sparse;
  uint32_t holds = 0;
  // Removed while it was held.
  bool removed = false;
};

// Handles are not reused (until 2^32 of them): a stale one is an error, not another mapping.
struct Table {
  std::mutex mutex;
  std::unordered_map<uint32_t, Entry> entries;
  uint32_t next = 1;
};

// Never destroyed: worker threads may outlive the static destructors.
Table& TheTable() {
  static Table& table = *new Table;
  return table;
}

int Add(const Mapping& mapping, size_t mapped, uint32_t* handle, bool sparse = false) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  try {
    while (table.next == 0 || table.entries.contains(table.next)) table.next++;
    table.entries.emplace(table.next, Entry{mapping, mapped, sparse});
  } catch (const std::bad_alloc&) {
    munmap(mapping.base, mapped);
    return -ENOMEM;
  }
  *handle = table.next++;
  return 0;
}

// Null for a removed one.
Entry* Find(Table& table, uint32_t handle) {
  const auto found = table.entries.find(handle);
  return found == table.entries.end() || found->second.removed ? nullptr : &found->second;
}

int Drop(Table& table, uint32_t handle) {
  const Entry& entry = table.entries.at(handle);
  FaultGuardRemove(entry.mapping.base);
  if (munmap(entry.mapping.base, entry.mapped) < 0) return -errno;
  table.entries.erase(handle);
  return 0;
}

// Only a file can shrink. A device may refuse access for a while (vfio-pci during a reset) and recover.
int AddFile(int fd, const Mapping& mapping, size_t mapped, uint32_t* handle) {
  if (const int error = Add(mapping, mapped, handle, IsTmpfs(fd))) return error;
  struct statx status;
  if (StatusOf(fd, &status) == 0 && S_ISREG(status.stx_mode)) FaultGuardAdd(mapping.base, mapped);
  return 0;
}

// Touching a page beyond a file's end raises SIGBUS, so a mapping must lie inside its file. Devices have no
// size. The fault guard handles files that shrink later.
int CheckInsideFile(int fd, uint64_t offset, size_t length) {
  struct statx status;
  if (StatusOf(fd, &status) < 0) return -errno;
  if (!S_ISREG(status.stx_mode)) return 0;
  const auto size = static_cast<uint64_t>(status.stx_size);
  return offset <= size && length <= size - offset ? 0 : -ERANGE;
}

}  // namespace

int MappingAddFd(int fd, uint64_t offset, size_t length, bool writable, uint32_t* handle) {
  if (length == 0) return -EINVAL;
  if (const int error = CheckInsideFile(fd, offset, length)) return error;
  const int64_t huge = HugePageSize(fd);
  if (huge < 0) return static_cast<int>(huge);
  // munmap requires whole hugepages, mmap rounds by itself.
  size_t mapped = length;
  if (huge > 0 && !RoundUp(length, static_cast<size_t>(huge), &mapped)) return -EINVAL;
  const int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  void* base = mmap(nullptr, mapped, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (base == MAP_FAILED) return -errno;
  return AddFile(fd, {static_cast<uint8_t*>(base), length, writable}, mapped, handle);
}

int MappingAddFileParts(const std::vector<FilePart>& parts, bool writable, uint32_t* handle) {
  size_t total = 0;
  for (const FilePart& part : parts) {
    if (const int error = CheckInsideFile(part.fd, part.offset, part.length)) return error;
    if (__builtin_add_overflow(total, part.length, &total)) return -EINVAL;
  }
  if (total == 0) return -EINVAL;
  // Reserves the range for all parts first, so that nothing else gets in the way.
  constexpr int kPlace = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* place = mmap(nullptr, total, PROT_NONE, kPlace, -1, 0);
  if (place == MAP_FAILED) return -errno;
  auto* base = static_cast<uint8_t*>(place);
  const int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  uint8_t* at = base;
  for (const FilePart& part : parts) {
    const auto offset = static_cast<off_t>(part.offset);
    if (mmap(at, part.length, protection, MAP_SHARED | MAP_FIXED, part.fd, offset) == MAP_FAILED) {
      const int error = -errno;
      munmap(base, total);
      return error;
    }
    at += part.length;
  }
  return AddFile(parts[0].fd, {base, total, writable}, total, handle);
}

int MappingAddAnonymous(size_t length, bool hugepages, uint32_t* handle) {
  if (length == 0) return -EINVAL;
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS;
  constexpr int kProtection = PROT_READ | PROT_WRITE;
  size_t mapped;
  if (hugepages && RoundUp(length, kHugePage, &mapped)) {
    void* base = mmap(nullptr, mapped, kProtection, kFlags | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
    if (base != MAP_FAILED) {
      if (PopulateHugePages(base, mapped) == 0)
        return Add({static_cast<uint8_t*>(base), length, true}, mapped, handle);
      munmap(base, mapped);
      hugepages_refused = true;
    }
  }
  void* base = mmap(nullptr, length, kProtection, kFlags, -1, 0);
  if (base == MAP_FAILED) return -errno;
  // Second best: transparent hugepages. Only advice, so a refusal changes nothing.
  if (hugepages) madvise(base, length, MADV_HUGEPAGE);
  return Add({static_cast<uint8_t*>(base), length, true}, length, handle);
}

bool HugePagesRefused() { return hugepages_refused; }

int MappingGet(uint32_t handle, Mapping* out) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  Entry* entry = Find(table, handle);
  if (!entry) return -EBADF;
  *out = entry->mapping;
  return 0;
}

bool MappingIsSparse(uint32_t handle) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  const auto found = table.entries.find(handle);
  return found != table.entries.end() && found->second.sparse;
}

int MappingLimitHoles(uint32_t handle, size_t bytes) {
  Mapping mapping;
  if (const int error = MappingGet(handle, &mapping)) return error;
  return FaultGuardLimitHoles(mapping.base, bytes);
}

int MappingNotifyLoss(uint32_t handle, int event_fd) {
  Mapping mapping;
  if (const int error = MappingGet(handle, &mapping)) return error;
  return FaultGuardNotify(mapping.base, event_fd);
}

int MappingGuardState(uint32_t handle, GuardState* out) {
  Mapping mapping;
  if (const int error = MappingGet(handle, &mapping)) return error;
  *out = FaultGuardState(mapping.base);
  return 0;
}

int MappingRemove(uint32_t handle) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  Entry* entry = Find(table, handle);
  if (!entry) return -EBADF;
  entry->removed = true;
  return entry->holds == 0 ? Drop(table, handle) : 0;
}

int MappingHold(uint32_t handle) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  Entry* entry = Find(table, handle);
  if (!entry) return -EBADF;
  entry->holds++;
  return 0;
}

void MappingRelease(uint32_t handle) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  const auto found = table.entries.find(handle);
  if (found == table.entries.end() || found->second.holds == 0) return;
  if (--found->second.holds == 0 && found->second.removed) Drop(table, handle);
}

}  // namespace vpci
