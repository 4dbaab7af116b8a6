// SPDX-License-Identifier: BSD-3-Clause
// Takes the hugepages of a mapping now. A mapping may be made although its pages cannot be had (a control
// group limits them when they are touched, hugetlb.2MB.limit_in_bytes); the touch is then a SIGBUS.
#pragma once
#include <cstddef>

namespace vpci {

// Touches every hugepage of a private or shared mapping of `length` bytes. 0, or -ENOMEM when one cannot be
// had.
int PopulateHugePages(void* base, size_t length);

}  // namespace vpci
