// SPDX-License-Identifier: BSD-3-Clause
// Pages that a memory file does not have. Touching one, even for reading, allocates it and charges it to the
// toucher. In a range registered here such a touch raises SIGBUS instead (userfaultfd, UFFD_FEATURE_SIGBUS),
// so that a signal handler can decide. Existing pages cost nothing extra.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vpci {

// Registers a page-aligned range of shared or anonymous memory. 0, or a negative errno if the kernel does not
// permit it. Async-signal-safe after the first call.
int UserfaultRegister(void* base, size_t length);

// Fills the page at `page` with zeros: 1; 0 if it has appeared meanwhile; a negative errno if it cannot be
// allocated (the file has become too short). Async-signal-safe.
int UserfaultFill(uintptr_t page);

}  // namespace vpci
