// SPDX-License-Identifier: BSD-3-Clause
// Pages that a memory file does not have. Touching one allocates it, by a read too, and charges it to whoever
// touched it. In a range registered here such a touch is a SIGBUS instead (userfaultfd, UFFD_FEATURE_SIGBUS),
// so that a signal handler can decide. Pages that exist cost nothing extra.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vpci {

// Registers a page-aligned range of shared or anonymous memory. 0, or a negative errno when the kernel does
// not let this process. Async-signal-safe after the first call.
int UserfaultRegister(void* base, size_t length);

// Gives the page at `page` its zeros: 1, 0 when it has come meanwhile, a negative errno when it cannot be had
// (the file has become too short). Async-signal-safe.
int UserfaultFill(uintptr_t page);

}  // namespace vpci
