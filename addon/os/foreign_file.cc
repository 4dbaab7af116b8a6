// SPDX-License-Identifier: BSD-3-Clause
#include "os/foreign_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <mutex>
#include <sstream>
#include <vector>

#include "os/file.h"
#include "os/status.h"

namespace vpci {
namespace {

constexpr int kMaxClosers = 64;

// Descriptors whose close may block, and the threads that close them.
struct Closers {
  std::mutex lock;
  int threads = 0;
  std::vector<int> waiting;
};

// Never destroyed: its threads may outlive main().
Closers& TheClosers() {
  static auto* closers = new Closers;
  return *closers;
}

// Only shmem and hugetlbfs support seals, and the kernel answers by itself, whoever created the file.
bool IsMemory(int fd) { return fcntl(fd, F_GET_SEALS) >= 0; }

// Sockets, pipes and anonymous files (eventfds have no type) have no file system that could block us.
bool ClosesAtOnce(int fd) {
  if (IsMemory(fd)) return true;
  struct statx status;
  if (Statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) < 0) return false;
  const auto type = status.stx_mode & S_IFMT;
  return type == S_IFSOCK || type == S_IFIFO || type == 0;
}

// The next that waits; -1, and one thread less, if there is none.
int NextToClose() {
  Closers& closers = TheClosers();
  const std::lock_guard guard(closers.lock);
  if (closers.waiting.empty()) {
    closers.threads--;
    return -1;
  }
  const int fd = closers.waiting.back();
  closers.waiting.pop_back();
  return fd;
}

void* CloseAll(void*) {
  for (int fd; (fd = NextToClose()) >= 0;) close(fd);
  return nullptr;
}

// The main thread handles signals.
bool StartCloser() {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, size_t{128} << 10);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const bool started = pthread_create(&thread, &attributes, CloseAll, nullptr) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return started;
}

int MountOf(int fd) {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(fd));
  for (std::string line; std::getline(info, line);) {
    int id;
    if (sscanf(line.c_str(), "mnt_id: %d", &id) == 1) return id;
  }
  return -1;
}

}  // namespace

std::string FileSystemOf(int fd) {
  if (IsMemory(fd)) return HugePageSize(fd) > 0 ? "hugetlbfs" : "tmpfs";
  const int mount = MountOf(fd);
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; mount >= 0 && std::getline(mounts, line);) {
    const size_t end = line.find(" - ");
    if (end == std::string::npos || std::stoi(line) != mount) continue;
    std::istringstream rest(line.substr(end + 3));
    std::string type;
    rest >> type;
    return type;
  }
  return "";
}

void CloseForeign(int fd) {
  if (ClosesAtOnce(fd)) {
    close(fd);
    return;
  }
  Closers& closers = TheClosers();
  const std::lock_guard guard(closers.lock);
  closers.waiting.push_back(fd);
  // Without a thread, it waits for the next one.
  if (closers.threads < kMaxClosers && StartCloser()) closers.threads++;
}

}  // namespace vpci
