// SPDX-License-Identifier: BSD-3-Clause
// Processes that run beside this one until they are stopped, and die with it.
#pragma once
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <vector>

class Helpers {
 public:
  void Start(const std::function<void()>& work) {
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child != 0) {
      if (child > 0) pids_.push_back(child);
      return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) work();
    _exit(0);
  }

  void Stop() {
    for (const pid_t pid : pids_) kill(pid, SIGKILL);
    for (const pid_t pid : pids_) waitpid(pid, nullptr, 0);
    pids_.clear();
  }

 private:
  std::vector<pid_t> pids_;
};

inline constexpr uint64_t kFullCounter = ~uint64_t{0} - 1;

constexpr int kSmallSteps = 8;

// Whether a process is blocked in write(2); from outside it would only seem silent.
inline bool IsHeldInWrite(int32_t pid) {
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/syscall", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  char text[32] = {};
  const bool held = fd >= 0 && read(fd, text, sizeof text - 1) > 0 && atol(text) == SYS_write;
  close(fd);
  return held;
}

// Two processes: one fills the eventfd, the other drains it until `victim` is caught in a write.
inline void FillAndDrain(Helpers* helpers, int fd, int32_t victim) {
  fcntl(fd, F_SETFL, 0);
  helpers->Start([fd] {
    // The last steps to the top are small: otherwise one signal of the victim's would keep it from ever being
    // full.
    const uint64_t most = kFullCounter - kSmallSteps;
    const uint64_t one = 1;
    for (;;) {
      if (write(fd, &most, sizeof most) < 0) return;
      for (int n = 0; n < 2 * kSmallSteps; n++) {
        if (write(fd, &one, sizeof one) < 0) return;
      }
    }
  });
  helpers->Start([fd, victim] {
    uint64_t count;
    while (!IsHeldInWrite(victim)) {
      if (read(fd, &count, sizeof count) < 0) return;
    }
    pause();
  });
}
