// SPDX-License-Identifier: BSD-3-Clause
// Process-wide registry of mapped memory. A handle is valid in every thread until MappingRemove.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "os/fault_guard.h"

namespace vpci {

struct Mapping {
  uint8_t* base;
  size_t length;
  bool writable;
};

// A range of a file.
struct FilePart {
  int fd;
  uint64_t offset;
  size_t length;
};

// All return 0 or a negative errno; the handle or the mapping goes to the out parameter.
int MappingAddFd(int fd, uint64_t offset, size_t length, bool writable, uint32_t* handle);
// One mapping of several parts, laid out one after another; offsets and lengths are multiples of the page
// size.
int MappingAddFileParts(const std::vector<FilePart>& parts, bool writable, uint32_t* handle);
int MappingAddAnonymous(size_t length, bool hugepages, uint32_t* handle);
// Whether hugepages that were free could not be allocated at least once: a control group limits this process.
bool HugePagesRefused();
int MappingGet(uint32_t handle, Mapping* out);
int MappingRemove(uint32_t handle);

// A file in memory (tmpfs, memfd) may have fewer pages than bytes. Touching a missing page charges it to the
// toucher, and it cannot be reclaimed.
bool MappingIsSparse(uint32_t handle);
// For mapped regular files; see os/fault_guard.h.
int MappingLimitHoles(uint32_t handle, size_t bytes);
int MappingNotifyLoss(uint32_t handle, int event_fd);
int MappingGuardState(uint32_t handle, GuardState* out);
// For memory that a thread may still touch when its owner removes it: MappingRemove invalidates the handle as
// usual, but unmaps only after as many releases as holds.
int MappingHold(uint32_t handle);
void MappingRelease(uint32_t handle);

}  // namespace vpci
