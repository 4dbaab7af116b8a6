// SPDX-License-Identifier: BSD-3-Clause
// The calling thread: its CPUs and its name. Functions return 0 or a negative errno.
#pragma once
#include <sched.h>

#include <span>
#include <vector>

namespace vpci {

/** CPU numbers are below this (glibc's cpu_set_t). */
inline constexpr int kMaxCpus = CPU_SETSIZE;

int SetAffinity(std::span<const int> cpus);
int GetAffinity(std::vector<int>* cpus);
/** The first 15 bytes of the name. */
int SetThreadName(const char* name);

}  // namespace vpci
