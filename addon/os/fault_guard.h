// SPDX-License-Identifier: BSD-3-Clause
// Mapped files of somebody else, who may do two things to whoever touches them. A page behind the file's new
// end is a SIGBUS, which would end the process. A page that the file does not have is allocated and charged
// to us, which ends the process once its memory is used up. Under guard such a mapping is *lost* instead: all
// of it turns into private zeros, and the rules of the ring engine find a broken ring, as for any other
// nonsense of a peer.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vpci {

// Why a mapping was lost.
enum class MappingLoss : uint8_t { kNone, kShrunk, kOverLimit };

struct GuardState {
  MappingLoss loss;
  // Bytes that were missing in the file and that touches of ours made, as far as known.
  size_t filled;
};

// From now on a SIGBUS in `[base, base + length)` is survived; 8192 ranges at a time, more are not guarded.
void FaultGuardAdd(void* base, size_t length);
// Of a guarded range at most `bytes` that the file does not have are made. A negative errno when the kernel
// does not let us know of such touches: nothing is limited then. Before anybody uses the range.
int FaultGuardLimitHoles(void* base, size_t bytes);
// The eventfd that is signalled when the range is lost; the caller keeps it open until the range is removed.
int FaultGuardNotify(void* base, int event_fd);
GuardState FaultGuardState(void* base);
// To be called before the range is unmapped. A range that is not guarded is ignored.
void FaultGuardRemove(void* base);

}  // namespace vpci
