// SPDX-License-Identifier: BSD-3-Clause
// Allocates the hugepages of a mapping now. mmap can succeed although the pages cannot be allocated (a
// control group limits them on touch, hugetlb.2MB.limit_in_bytes); touching them would then raise SIGBUS.
#pragma once
#include <cstddef>

namespace vpci {

// Touches every hugepage of a private or shared mapping of `length` bytes. 0, or -ENOMEM if one cannot be
// allocated.
int PopulateHugePages(void* base, size_t length);

}  // namespace vpci
