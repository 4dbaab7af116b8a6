// SPDX-License-Identifier: BSD-3-Clause
#include "os/end_signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>

namespace vpci {
namespace {

/** What libuv's handler writes (uv__signal_msg_t of its unix/signal.c). */
struct SignalMessage {
  void* handle;
  int number;
};

/** tcsetattr from a background process stops it with SIGTTOU unless that is blocked. */
class TtouBlocked {
 public:
  TtouBlocked() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~TtouBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

bool EndSignalWaits(int signal_pipe) {
  pollfd entry{signal_pipe, POLLIN, 0};
  if (signal_pipe < 0 || poll(&entry, 1, 0) <= 0) return false;
  // A pipe cannot be peeked at, but copied.
  int copy[2];
  if (pipe2(copy, O_NONBLOCK | O_CLOEXEC) < 0) return false;
  std::array<SignalMessage, 256> messages;
  ssize_t got = tee(signal_pipe, copy[1], sizeof messages, SPLICE_F_NONBLOCK);
  if (got > 0) got = read(copy[0], messages.data(), sizeof messages);
  close(copy[0]);
  close(copy[1]);
  if (got <= 0) return false;
  const std::span<const SignalMessage> waiting(messages.data(),
                                               static_cast<size_t>(got) / sizeof(SignalMessage));
  return std::ranges::any_of(waiting, [](const SignalMessage& message) {
    return message.number == SIGINT || message.number == SIGTERM;
  });
}

int SetTerminalInterrupt(int fd, bool on) {
  termios mode;
  if (tcgetattr(fd, &mode) < 0) return -errno;
  if (on) {
    mode.c_lflag |= ISIG | NOFLSH;
    // ^Z and ^\ stay with whoever edits the line.
    mode.c_cc[VSUSP] = mode.c_cc[VQUIT] = _POSIX_VDISABLE;
  } else {
    mode.c_lflag &= ~static_cast<tcflag_t>(ISIG);
  }
  const TtouBlocked blocked;
  return tcsetattr(fd, TCSANOW, &mode) < 0 ? -errno : 0;
}

}  // namespace vpci
