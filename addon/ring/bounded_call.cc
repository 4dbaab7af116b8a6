// SPDX-License-Identifier: BSD-3-Clause
#include "ring/bounded_call.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

namespace vpci {
namespace {

void Nothing(int) {}

// The highest unused real-time signal, with a handler that does nothing and no SA_RESTART; 0 if none is free.
int ClaimSignal() {
  for (int number = SIGRTMAX; number > SIGRTMIN; number--) {
    struct sigaction present;
    if (sigaction(number, nullptr, &present) < 0 || present.sa_handler != SIG_DFL) continue;
    struct sigaction action {};
    action.sa_handler = Nothing;
    if (sigaction(number, &action, nullptr) == 0) return number;
  }
  return 0;
}

int TheSignal() {
  static const int number = ClaimSignal();
  return number;
}

// One per thread, created on first use.
class ThreadTimer {
 public:
  ThreadTimer() {
    const int number = TheSignal();
    if (number == 0) return;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = number;
    event.sigev_notify_thread_id = static_cast<pid_t>(syscall(SYS_gettid));
    made_ = timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
  }
  ~ThreadTimer() {
    if (made_) timer_delete(timer_);
  }
  // A repeating timer, since the first signal may arrive before the call has started.
  bool Set(long interval_ns) {
    const timespec interval{0, interval_ns};
    const itimerspec value{interval, interval};
    return made_ && timer_settime(timer_, 0, &value, nullptr) == 0;
  }

 private:
  timer_t timer_{};
  bool made_ = false;
};

ThreadTimer& TheTimer() {
  thread_local ThreadTimer timer;
  return timer;
}

}  // namespace

BoundedCall::BoundedCall() : armed_(TheTimer().Set(kIntervalNs)) {}

BoundedCall::~BoundedCall() {
  if (armed_) TheTimer().Set(0);
}

}  // namespace vpci
