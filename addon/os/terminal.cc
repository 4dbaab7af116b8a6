// SPDX-License-Identifier: BSD-3-Clause
#include "os/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <optional>
#include <string>

namespace vpci {
namespace {

// tcsetattr from a background process stops it with SIGTTOU unless that is blocked.
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

// A background process leaves the mode to the program in the foreground, such as a shell's line editor.
int SetMode(int fd, const termios& mode) {
  if (!IsForeground(fd)) return 0;
  const TtouBlocked blocked;
  return tcsetattr(fd, TCSANOW, &mode) < 0 ? -errno : 0;
}

// The terminal that was changed, and its original mode.
std::optional<termios> original;
int changed = -1;

}  // namespace

int OpenTerminal(int fd) {
  int number;
  // Reopening the master side of a pseudo-terminal would create another one.
  if (!isatty(fd) || ioctl(fd, TIOCGPTN, &number) == 0) return -1;
  return open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

bool IsForeground(int fd) {
  const pid_t group = tcgetpgrp(fd);
  return group < 0 || group == getpgrp();
}

int SetTerminalRaw(int fd, bool on) {
  if (!IsForeground(fd)) return 0;
  termios mode;
  if (tcgetattr(fd, &mode) < 0) return -errno;
  if (!original) original = mode;
  changed = fd;
  mode = *original;
  if (on) {
    mode.c_iflag &= ~static_cast<tcflag_t>(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
    mode.c_oflag |= ONLCR;
    mode.c_cflag |= CS8;
    mode.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | IEXTEN | ISIG);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
  }
  return SetMode(fd, mode);
}

void RestoreTerminal() {
  if (original) SetMode(changed, *original);
}

int SetTerminalInterrupt(int fd, bool on) {
  termios mode;
  if (tcgetattr(fd, &mode) < 0) return -errno;
  if (on) {
    mode.c_lflag |= ISIG | NOFLSH;
    // ^Z and ^\ are left to the line editor.
    mode.c_cc[VSUSP] = mode.c_cc[VQUIT] = _POSIX_VDISABLE;
  } else {
    mode.c_lflag &= ~static_cast<tcflag_t>(ISIG);
  }
  return SetMode(fd, mode);
}

}  // namespace vpci
