// SPDX-License-Identifier: BSD-3-Clause
// Threads: their CPUs and their names, of the calling one where nothing else is said. Functions return 0 or a
// negative errno.
#pragma once
#include <sched.h>

#include <span>
#include <vector>

namespace vpci {

// CPU numbers are below this (glibc's cpu_set_t).
inline constexpr int kMaxCpus = CPU_SETSIZE;

int SetAffinity(std::span<const int> cpus);
// Of all threads of the process that there are; those to come take after the thread that starts them.
int SetAffinityOfAll(std::span<const int> cpus);
int GetAffinity(std::vector<int>* cpus);
// The first 15 bytes of the name.
int SetThreadName(const char* name);

}  // namespace vpci
