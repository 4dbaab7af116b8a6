// SPDX-License-Identifier: BSD-3-Clause
// Guards against mapped files of another party, which can harm us in two ways. Touching a page beyond the
// file's new end raises SIGBUS, which would end the process. Touching a page that the file does not have
// allocates it and charges it to us, which ends the process once its memory is used up. A guarded mapping is
// *lost* instead: all of it is replaced by private zeros, and the checks of the ring engine then find a
// broken ring, as with any other nonsense from a peer.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vpci {

// Why a mapping was lost.
enum class MappingLoss : uint8_t { kNone, kShrunk, kOverLimit };

struct GuardState {
  MappingLoss loss;
  // Bytes missing in the file that our accesses allocated, as far as known.
  size_t filled;
};

// From now on a SIGBUS in `[base, base + length)` is survived. At most 8192 ranges at a time; further ones
// are not guarded.
void FaultGuardAdd(void* base, size_t length);
// Limits the bytes missing in the file that accesses to a guarded range may allocate. A negative errno if the
// kernel does not report such accesses to us: there is no limit then. Call before anyone uses the range.
int FaultGuardLimitHoles(void* base, size_t bytes);
// Sets the eventfd to signal when the range is lost; the caller keeps it open until the range is removed.
int FaultGuardNotify(void* base, int event_fd);
GuardState FaultGuardState(void* base);
// Call before unmapping the range. A range that is not guarded is ignored.
void FaultGuardRemove(void* base);

}  // namespace vpci
