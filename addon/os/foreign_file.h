// SPDX-License-Identifier: BSD-3-Clause
// Descriptors that another party created and passed to us. That party may serve the file behind one (FUSE, a
// network), so any call that involves the file can block for as long as it likes: fstat, fstatfs, a page
// fault, and close, which flushes. Nothing here makes such a call.
#pragma once
#include <string>

namespace vpci {

// File system type of a descriptor: "tmpfs" or "hugetlbfs", whose pages come from this kernel; otherwise its
// name in the mount list, or empty if it is in no mount that this process sees.
std::string FileSystemOf(int fd);

// Closes. A close that may block is left to a thread of its own; beyond a number of those, the descriptor
// stays open until one of them is done.
void CloseForeign(int fd);

}  // namespace vpci
