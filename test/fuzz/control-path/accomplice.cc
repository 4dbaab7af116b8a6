// SPDX-License-Identifier: BSD-3-Clause
// What an attacker needs from the system and Node cannot provide: descriptors of every kind, and processes
// that fill and drain an eventfd while another process writes it. One process on a socket (descriptor 3): a
// request is a Request with at most one descriptor, the answer an errno (0 for success) with at most one
// descriptor. Everything ends with the socket.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <string>

#include "helpers.h"
#include "silent_fuse.h"

namespace {

constexpr int kSocket = 3;
constexpr off_t kBytes = 1 << 20;
constexpr off_t kGiB = 1 << 30;

struct Request {
  char name[32];
  // Process that the filler blocks, or how many times a value is added.
  int32_t number;
  int32_t unused;
  uint64_t value;
};

Helpers servers;
Helpers fillers;

// --- memory ------------------------------------------------------------------------------------------

int Memfd(off_t bytes, unsigned flags = 0, int seals = 0) {
  const int fd = memfd_create("accomplice", flags | MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || ftruncate(fd, bytes) < 0) return -1;
  if (seals != 0 && fcntl(fd, F_ADD_SEALS, seals) < 0) return -1;
  return fd;
}

// The same file, opened with other access rights.
int Reopened(int fd, int flags) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const int other = open(path, flags | O_CLOEXEC);
  close(fd);
  return other;
}

// A file system private to this process, which lives as long as its one file is open.
int FileOn(
    const char* type, const char* options, const std::function<void()>& mounted = [] {}) {
  char folder[] = "/tmp/accomplice-XXXXXX";
  if (!mkdtemp(folder)) return -1;
  int fd = -1;
  if (mount("accomplice", folder, type, 0, options) == 0) {
    mounted();
    fd = open((std::string(folder) + "/memory").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    umount2(folder, MNT_DETACH);
  }
  rmdir(folder);
  return fd;
}

int SmallTmpfs() {
  const int fd = FileOn("tmpfs", "size=16k");
  if (fd < 0 || ftruncate(fd, kBytes) < 0) return -1;
  return fd;
}

int DiskFile() {
  const int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, kBytes) < 0) return -1;
  return fd;
}

int Fuse() {
  const int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0) return -1;
  char options[128];
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
  // There are no requests before it is mounted.
  const auto serve = [device] { servers.Start([device] { ServeSilently(device); }); };
  const int fd = FileOn("fuse.accomplice", options, serve);
  close(device);
  return fd;
}

// --- events and other descriptors --------------------------------------------------------------------

int Eventfd(int flags, uint64_t value = 0) {
  const int fd = eventfd(0, flags | EFD_CLOEXEC);
  if (fd >= 0 && value != 0 && write(fd, &value, sizeof value) < 0) return -1;
  return fd;
}

int PipeEnd(int end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -1;
  close(ends[1 - end]);
  return ends[end];
}

// Its other end stays open, and nobody reads it.
int FullPipe() {
  static int ends[2] = {-1, -1};
  if (ends[0] < 0 && pipe2(ends, O_CLOEXEC) < 0) return -1;
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  char junk[4096] = {};
  while (write(ends[1], junk, sizeof junk) > 0) continue;
  const int fd = dup(ends[1]);
  fcntl(fd, F_SETFL, 0);
  return fd;
}

int SocketEnd() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -1;
  close(ends[1]);
  return ends[0];
}

int Signalfd() {
  sigset_t none;
  sigemptyset(&none);
  return signalfd(-1, &none, SFD_CLOEXEC);
}

int Call(long number, long a = 0, long b = 0) { return static_cast<int>(syscall(number, a, b)); }

const std::map<std::string, std::function<int()>> kMakers = {
    {"memfd", [] { return Memfd(kBytes); }},
    {"sparse-6g", [] { return Memfd(6 * kGiB); }},
    {"sparse-1t", [] { return Memfd(1024 * kGiB); }},
    {"sparse-max", [] { return Memfd((off_t{1} << 62)); }},
    {"empty", [] { return Memfd(0); }},
    {"sealed-write", [] { return Memfd(kBytes, 0, F_SEAL_WRITE); }},
    {"sealed-future-write", [] { return Memfd(kBytes, 0, F_SEAL_FUTURE_WRITE); }},
    {"sealed-size", [] { return Memfd(kBytes, 0, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL); }},
    {"read-only", [] { return Reopened(Memfd(kBytes), O_RDONLY); }},
    {"write-only", [] { return Reopened(Memfd(kBytes), O_WRONLY); }},
    {"append", [] { return Reopened(Memfd(kBytes), O_RDWR | O_APPEND); }},
    {"hugetlb", [] { return Memfd(4 << 20, MFD_HUGETLB); }},
    {"hugetlb-too-large", [] { return Memfd(64 * kGiB, MFD_HUGETLB); }},
    {"secret",
     [] {
       const int fd = Call(SYS_memfd_secret);
       return fd >= 0 && ftruncate(fd, kBytes) == 0 ? fd : -1;
     }},
    {"small-tmpfs", SmallTmpfs},
    {"disk", DiskFile},
    {"fuse", Fuse},
    {"proc-mem", [] { return open("/proc/self/mem", O_RDWR | O_CLOEXEC); }},
    {"null", [] { return open("/dev/null", O_RDWR | O_CLOEXEC); }},
    {"zero", [] { return open("/dev/zero", O_RDWR | O_CLOEXEC); }},
    {"directory", [] { return open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }},
    {"path", [] { return Reopened(Memfd(kBytes), O_PATH); }},
    {"terminal", [] { return posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC); }},
    {"pipe-read", [] { return PipeEnd(0); }},
    {"pipe-write", [] { return PipeEnd(1); }},
    {"pipe-full", FullPipe},
    {"socket", SocketEnd},
    {"epoll", [] { return epoll_create1(EPOLL_CLOEXEC); }},
    {"timer", [] { return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC); }},
    {"signal", Signalfd},
    {"inotify", [] { return inotify_init1(IN_CLOEXEC); }},
    {"process", [] { return Call(SYS_pidfd_open, getpid()); }},
    {"event", [] { return Eventfd(EFD_NONBLOCK); }},
    {"event-blocking", [] { return Eventfd(0); }},
    {"event-full", [] { return Eventfd(EFD_NONBLOCK, kFullCounter); }},
    {"event-full-blocking", [] { return Eventfd(0, kFullCounter); }},
    {"semaphore", [] { return Eventfd(EFD_SEMAPHORE | EFD_NONBLOCK); }},
    {"semaphore-2^63", [] { return Eventfd(EFD_SEMAPHORE, uint64_t{1} << 63); }},
};

// Adds without waiting, whatever the owner's flags; what does not fit is not added.
void Add(int fd, uint64_t value, int32_t times) {
  const int flags = fcntl(fd, F_GETFL);
  for (int32_t n = 0; n < times; n++) {
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    const bool added = write(fd, &value, sizeof value) > 0;
    fcntl(fd, F_SETFL, flags);
    if (!added) return;
  }
}

int Handle(const Request& request, int fd, int* out) {
  const std::string name(request.name, strnlen(request.name, sizeof request.name));
  if (name == "fill") {
    fillers.Stop();
    FillAndDrain(&fillers, fd, request.number);
    return 0;
  }
  if (name == "add") {
    Add(fd, request.value, request.number);
    return 0;
  }
  if (name == "block") return fcntl(fd, F_SETFL, 0) < 0 ? errno : 0;
  if (name == "calm" || name == "rest") fillers.Stop();
  if (name == "rest") servers.Stop();
  if (name == "calm" || name == "rest") return 0;
  const auto maker = kMakers.find(name);
  if (maker == kMakers.end()) return EINVAL;
  errno = 0;
  *out = maker->second();
  return *out < 0 ? (errno != 0 ? errno : EIO) : 0;
}

// False at end of file.
bool Receive(Request* request, int* fd) {
  iovec bytes{request, sizeof *request};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(kSocket, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL) != sizeof *request) return false;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  *fd = -1;
  if (header && header->cmsg_type == SCM_RIGHTS) memcpy(fd, CMSG_DATA(header), sizeof *fd);
  return true;
}

bool Reply(int32_t error, int fd) {
  iovec bytes{&error, sizeof error};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return sendmsg(kSocket, &message, MSG_NOSIGNAL) == sizeof error;
}

}  // namespace

int main() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  fcntl(kSocket, F_SETFL, 0);
  // File systems mounted here are invisible to others.
  if (unshare(CLONE_NEWNS) == 0) mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  Request request;
  int given;
  while (Receive(&request, &given)) {
    int made = -1;
    const int error = Handle(request, given, &made);
    const bool sent = Reply(error, made);
    if (made >= 0) close(made);
    if (given >= 0) close(given);
    if (!sent) break;
  }
  fillers.Stop();
  servers.Stop();
}
