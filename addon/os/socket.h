// SPDX-License-Identifier: BSD-3-Clause
// Unix stream sockets that carry descriptors, all non-blocking and close-on-exec. Functions return a
// descriptor, a count or 0, or a negative errno.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vpci {

// Descriptors in one message, either way; the kernel's own limit is 253 (SCM_MAX_FD).
inline constexpr size_t kMaxMessageFds = 64;

struct Received {
  size_t bytes = 0;
  std::vector<int> fds;
  bool fds_truncated = false;
};

// Who may connect: mode and owner of the socket file; -1 leaves what the system gives it.
struct SocketAccess {
  int mode = -1;
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
};

// Listens. A socket file that nobody listens on is replaced; -EADDRINUSE when somebody does or it is no
// socket. Nobody can connect before the file has its mode and owner.
int UnixListen(const char* path, const SocketAccess& access = {});
// The system's number for a name, or -1.
int64_t FindUser(const char* name);
int64_t FindGroup(const char* name);
// Connects. -EAGAIN when the listener's backlog is full.
int UnixConnect(const char* path);
int UnixPair(int out[2]);
// The next connection; -EAGAIN when there is none.
int UnixAccept(int fd);
// Ends the connection both ways, and takes what has arrived unread: closing over unread bytes would tell the
// other side of a reset (unix(7)) instead of an end.
int UnixShutdown(int fd);
// One sendmsg; the descriptors go with the first byte. Bytes taken, -EAGAIN when full, -EPIPE without a
// SIGPIPE.
int64_t SendMessage(int fd, std::span<const uint8_t> data, std::span<const int> fds);
// One recvmsg; descriptors beyond `max_fds` are closed. -EAGAIN when nothing is there.
int ReceiveMessage(int fd, std::span<uint8_t> into, size_t max_fds, Received* out);

}  // namespace vpci
