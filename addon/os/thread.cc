// SPDX-License-Identifier: BSD-3-Clause
#include "os/thread.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>

namespace vpci {
namespace {

cpu_set_t SetOf(std::span<const int> cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  return set;
}

}  // namespace

int SetAffinity(std::span<const int> cpus) {
  const cpu_set_t set = SetOf(cpus);
  return sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0;
}

int SetAffinityOfAll(std::span<const int> cpus) {
  const cpu_set_t set = SetOf(cpus);
  DIR* tasks = opendir("/proc/self/task");
  if (!tasks) return -errno;
  int result = 0;
  while (const dirent* task = readdir(tasks)) {
    const pid_t tid = atoi(task->d_name);
    // ESRCH: the thread has ended meanwhile.
    if (tid > 0 && sched_setaffinity(tid, sizeof set, &set) < 0 && errno != ESRCH) result = -errno;
  }
  closedir(tasks);
  return result;
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
