// SPDX-License-Identifier: BSD-3-Clause
// Holds the other end of an eventfd that was given to a process under attack. Connects to a unix socket,
// sends the eventfd there, and runs until its input ends.
//   eventfd_holder SOCKET fill       O_NONBLOCK off; one thread fills the counter, another drains it
//   eventfd_holder SOCKET window     O_NONBLOCK off and the counter full, except for a moment some time after
//                                    each input line: whoever polls in that moment and writes after it blocks
//                                    until the next one
//   eventfd_holder SOCKET semaphore  EFD_SEMAPHORE, its counter at 2^63 from the first input line on
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <string_view>
#include <thread>

namespace {

bool Send(const char* path, int fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int to = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(to, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return false;
  char byte = 0;
  iovec bytes{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)]{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(to, &message, 0) == 1;
}

constexpr uint64_t kMost = UINT64_MAX - 1;

void Fill(int fd) {
  for (;;) (void)!write(fd, &kMost, sizeof kMost);
}

void Drain(int fd) {
  for (uint64_t count;;) (void)!read(fd, &count, sizeof count);
}

// Full again, whatever the victim has added meanwhile: the timer interrupts a write that does not fit.
void Close(int fd) {
  while (write(fd, &kMost, sizeof kMost) < 0) {
    uint64_t count;
    (void)!read(fd, &count, sizeof count);
  }
}

// Open for a few microseconds, somewhere in the time in which the victim signals.
void OpenWindow(int fd) {
  static std::minstd_rand random;
  const auto wait = [](int us) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(us);
    while (std::chrono::steady_clock::now() < end) continue;
  };
  wait(random() % 800);
  for (int i = 0; i < 4; i++) {
    uint64_t count;
    (void)!read(fd, &count, sizeof count);
    wait(random() % 40);
    Close(fd);
    wait(random() % 40);
  }
}

void InterruptCalls() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(SIGALRM, &action, nullptr);
  const itimerval timer{{0, 500}, {0, 500}};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string_view kind = argv[2];
  const bool semaphore = kind == "semaphore";
  const int fd = eventfd(0, semaphore ? EFD_SEMAPHORE | EFD_NONBLOCK : 0);
  if (!Send(argv[1], fd)) {
    perror(argv[1]);
    return 1;
  }
  if (kind == "window") {
    InterruptCalls();
    Close(fd);
  }
  if (kind == "fill") {
    std::thread(Fill, fd).detach();
    std::thread(Drain, fd).detach();
  }
  constexpr uint64_t kMany = uint64_t{1} << 63;
  errno = 0;
  for (char c; read(0, &c, 1) == 1 || errno == EINTR; errno = 0) {
    if (errno == EINTR) continue;
    if (semaphore) (void)!write(fd, &kMany, sizeof kMany);
    if (kind == "window") OpenWindow(fd);
  }
  _exit(0);
}
