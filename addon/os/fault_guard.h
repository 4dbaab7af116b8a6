// SPDX-License-Identifier: BSD-3-Clause
// Mapped files that somebody else may shrink: touching a page behind the new end is a SIGBUS, which would end
// the process. Under guard the whole mapping turns into private zeros instead: the rules of the ring engine
// then find a broken ring, as for any other nonsense of a peer.
#pragma once
#include <cstddef>

namespace vpci {

/** From now on a SIGBUS in `[base, base + length)` is survived; 8192 ranges at a time, more are not guarded.
 */
void FaultGuardAdd(void* base, size_t length);
/** To be called before the range is unmapped. A range that is not guarded is ignored. */
void FaultGuardRemove(void* base);

}  // namespace vpci
