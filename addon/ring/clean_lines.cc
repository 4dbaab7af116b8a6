// SPDX-License-Identifier: BSD-3-Clause
#include "ring/clean_lines.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace vpci {

// Intel's CPUs have the instruction too; whether it pays there was not measured, and some of them drop the
// line from their caches.
bool CleaningPays() {
#if defined(__x86_64__)
  uint32_t a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(0, &a, &b, &c, &d)) return false;
  const bool amd = b == signature_AMD_ebx && c == signature_AMD_ecx && d == signature_AMD_edx;
  return amd && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_CLWB) != 0;
#else
  return false;
#endif
}

}  // namespace vpci
