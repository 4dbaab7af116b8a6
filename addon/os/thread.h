// SPDX-License-Identifier: BSD-3-Clause
// CPUs and names of threads; of the calling thread unless stated otherwise. Functions return 0 or a negative
// errno.
#pragma once
#include <sched.h>

#include <span>
#include <vector>

namespace vpci {

// CPU numbers are below this (glibc's cpu_set_t).
inline constexpr int kMaxCpus = CPU_SETSIZE;

int SetAffinity(std::span<const int> cpus);
// For all existing threads of the process; new ones inherit from the thread that starts them.
int SetAffinityOfAll(std::span<const int> cpus);
int GetAffinity(std::vector<int>* cpus);
// Uses the first 15 bytes of the name.
int SetThreadName(const char* name);

}  // namespace vpci
