// SPDX-License-Identifier: BSD-3-Clause
// Descriptors that another party made and handed to us. The file behind one may be served by that party
// (FUSE, a network), and then every call that asks the file holds the thread for as long as it likes: fstat,
// fstatfs, a page fault, and close, which flushes. Nothing here asks.
#pragma once
#include <string>

namespace vpci {

// Type of the file system of a descriptor: "tmpfs" or "hugetlbfs", whose pages come from this kernel, or its
// name in the list of mounts, or empty when it is in no mount that this process sees.
std::string FileSystemOf(int fd);

// Closes. What may hold us is closed by a thread that hangs alone; beyond a number of those, it is not
// closed.
void CloseForeign(int fd);

}  // namespace vpci
