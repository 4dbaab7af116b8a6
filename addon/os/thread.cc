// SPDX-License-Identifier: BSD-3-Clause
#include "os/thread.h"

#include <errno.h>
#include <sys/prctl.h>

namespace vpci {

int SetAffinity(std::span<const int> cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  return sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0;
}

int GetAffinity(std::vector<int>* cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) < 0) return -errno;
  for (int cpu = 0; cpu < kMaxCpus; cpu++) {
    if (CPU_ISSET(cpu, &set)) cpus->push_back(cpu);
  }
  return 0;
}

int SetThreadName(const char* name) { return prctl(PR_SET_NAME, name) < 0 ? -errno : 0; }

}  // namespace vpci
