// SPDX-License-Identifier: BSD-3-Clause
#include "os/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

#include "os/status.h"

namespace vpci {
namespace {

constexpr int kSocketFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;

int Socket(SocketKind kind) {
  const int fd = socket(AF_UNIX, static_cast<int>(kind) | kSocketFlags, 0);
  return fd < 0 ? -errno : fd;
}

int Address(const char* path, sockaddr_un* out) {
  *out = {};
  out->sun_family = AF_UNIX;
  const size_t length = strlen(path);
  if (length >= sizeof out->sun_path) return -ENAMETOOLONG;
  memcpy(out->sun_path, path, length);
  return 0;
}

int ConnectTo(const sockaddr_un& address, SocketKind kind) {
  const int fd = Socket(kind);
  if (fd < 0) return fd;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  const int error = -errno;
  close(fd);
  return error;
}

// A server that died leaves its socket file behind, and connections to it are refused. Nothing else may be
// removed.
bool RemoveStale(const sockaddr_un& address, SocketKind kind) {
  struct statx status;
  if (StatusOfLink(address.sun_path, &status) < 0 || !S_ISSOCK(status.stx_mode)) return false;
  const int probe = ConnectTo(address, kind);
  if (probe >= 0) close(probe);
  return probe == -ECONNREFUSED && unlink(address.sun_path) == 0;
}

// Works on a descriptor of the file itself, so that a link put in its place meanwhile is not followed.
int SetAccess(const char* path, const SocketAccess& access) {
  if (access.mode < 0 && access.uid == uid_t(-1) && access.gid == gid_t(-1)) return 0;
  const int file = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return -errno;
  const std::string itself = "/proc/self/fd/" + std::to_string(file);
  struct statx status;
  int error = 0;
  if (StatusOf(file, &status) < 0) {
    error = -errno;
  } else if (!S_ISSOCK(status.stx_mode)) {
    error = -EADDRINUSE;
  } else if (access.mode >= 0 && chmod(itself.c_str(), static_cast<mode_t>(access.mode)) < 0) {
    error = -errno;
  } else if (fchownat(file, "", access.uid, access.gid, AT_EMPTY_PATH) < 0) {
    error = -errno;
  }
  close(file);
  return error;
}

int Bind(int fd, const sockaddr_un& address, const SocketAccess& access) {
  // bind(2) gives the file the socket's own mode, less the umask: never more than requested.
  if (access.mode >= 0 && fchmod(fd, static_cast<mode_t>(access.mode)) < 0) return -errno;
  return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ? -errno : 0;
}

int BindAndListen(int fd, const sockaddr_un& address, const SocketAccess& access, SocketKind kind) {
  int error = Bind(fd, address, access);
  if (error == -EADDRINUSE && RemoveStale(address, kind)) error = Bind(fd, address, access);
  if (error != 0) return error;
  error = SetAccess(address.sun_path, access);
  if (error == 0 && listen(fd, SOMAXCONN) == 0) return 0;
  if (error == 0) error = -errno;
  unlink(address.sun_path);
  return error;
}

// Takes the descriptors out of the control data, which has room for no more than the caller wants.
void TakeFds(msghdr* message, Received* out) {
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      out->fds.push_back(fd);
    }
  }
}

}  // namespace

int UnixListen(const char* path, const SocketAccess& access, SocketKind kind) {
  sockaddr_un address;
  if (const int error = Address(path, &address)) return error;
  const int fd = Socket(kind);
  if (fd < 0) return fd;
  if (const int error = BindAndListen(fd, address, access, kind)) {
    close(fd);
    return error;
  }
  return fd;
}

int64_t FindUser(const char* name) {
  std::vector<char> text(1 << 16);
  passwd entry;
  passwd* found = nullptr;
  getpwnam_r(name, &entry, text.data(), text.size(), &found);
  return found ? int64_t{found->pw_uid} : -1;
}

int64_t FindGroup(const char* name) {
  std::vector<char> text(1 << 20);  // It includes the names of the group's members.
  group entry;
  group* found = nullptr;
  getgrnam_r(name, &entry, text.data(), text.size(), &found);
  return found ? int64_t{found->gr_gid} : -1;
}

int UnixConnect(const char* path, SocketKind kind) {
  sockaddr_un address;
  if (const int error = Address(path, &address)) return error;
  return ConnectTo(address, kind);
}

int UnixPair(int out[2]) { return socketpair(AF_UNIX, SOCK_STREAM | kSocketFlags, 0, out) < 0 ? -errno : 0; }

int UnixAccept(int fd) {
  int connection;
  // A connection that was aborted before it is accepted does not concern the caller.
  do {
    connection = accept4(fd, nullptr, nullptr, kSocketFlags);
  } while (connection < 0 && (errno == EINTR || errno == ECONNABORTED));
  return connection < 0 ? -errno : connection;
}

std::string UnixPeerPath(int fd) {
  sockaddr_un address{};
  socklen_t length = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) < 0) return "";
  if (address.sun_family != AF_UNIX) return "";
  return std::string(address.sun_path, strnlen(address.sun_path, sizeof address.sun_path));
}

int UnixShutdown(int fd) {
  if (shutdown(fd, SHUT_RDWR) < 0) return -errno;
  // Nothing can arrive any more, so this loop ends.
  char sink[4096];
  while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0) continue;
  return 0;
}

int64_t SendMessage(int fd, std::span<const uint8_t> data, std::span<const int> fds) {
  if (fds.size() > kMaxMessageFds) return -EINVAL;
  iovec bytes{const_cast<uint8_t*>(data.data()), data.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxMessageFds * sizeof(int))]{};
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  ssize_t sent;
  do {
    sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

int ReceiveMessage(int fd, std::span<uint8_t> into, size_t max_fds, Received* out) {
  if (max_fds > kMaxMessageFds) return -EINVAL;
  // Reserve first: once descriptors have arrived, running out of memory would leak them.
  out->fds.reserve(max_fds);
  iovec bytes{into.data(), into.size()};
  // Room for what the caller wants and not one more (CMSG_SPACE would round up): what exceeds it the kernel
  // drops before it has a number here, so that no flood of descriptors fills this process's table, and
  // reports MSG_CTRUNC.
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxMessageFds * sizeof(int))];
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (max_fds > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_LEN(max_fds * sizeof(int));
  }
  ssize_t received;
  do {
    received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return -errno;
  out->bytes = static_cast<size_t>(received);
  out->fds_truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  TakeFds(&message, out);
  return 0;
}

}  // namespace vpci
