// SPDX-License-Identifier: BSD-3-Clause
#include "os/populate.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "os/fault_guard.h"
#include "os/file.h"

namespace vpci {
namespace {

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

// For kernels before 5.14. Under guard, a failing touch turns the mapping into other memory.
bool TouchAll(void* base, size_t length) {
  FaultGuardAdd(base, length);
  for (size_t at = 0; at < length; at += kHugePage) {
    volatile uint8_t& byte = static_cast<uint8_t*>(base)[at];
    byte = byte;
  }
  const bool whole = FaultGuardState(base).loss == MappingLoss::kNone;
  FaultGuardRemove(base);
  return whole;
}

}  // namespace

int PopulateHugePages(void* base, size_t length) {
  if (madvise(base, length, MADV_POPULATE_WRITE) == 0) return 0;
  // EFAULT stands for the SIGBUS that a touch would raise; EINVAL for a kernel that does not support the
  // advice.
  if (errno == EINVAL && TouchAll(base, length)) return 0;
  return -ENOMEM;
}

}  // namespace vpci
