// SPDX-License-Identifier: BSD-3-Clause
// Unix sockets that carry descriptors, all non-blocking and close-on-exec. Functions return a descriptor, a
// count or 0, or a negative errno.
#pragma once
#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vpci {

// Descriptors per message, in either direction; the kernel's own limit is 253 (SCM_MAX_FD).
inline constexpr size_t kMaxMessageFds = 64;

struct Received {
  size_t bytes = 0;
  std::vector<int> fds;
  bool fds_truncated = false;
};

// Who may connect: mode and owner of the socket file; -1 keeps the system's default.
struct SocketAccess {
  int mode = -1;
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
};

// Bytes in order, or whole messages in order (DPDK's telemetry).
enum class SocketKind : int { kStream = SOCK_STREAM, kSeqpacket = SOCK_SEQPACKET };

// Listens. A stale socket file, with no listener, is replaced; -EADDRINUSE if it has one or is not a socket.
// Nobody can connect before the file has its mode and owner.
int UnixListen(const char* path, const SocketAccess& access = {}, SocketKind kind = SocketKind::kStream);
// The numeric id for a name, or -1.
int64_t FindUser(const char* name);
int64_t FindGroup(const char* name);
// Connects. -EAGAIN if the listener's backlog is full.
int UnixConnect(const char* path, SocketKind kind = SocketKind::kStream);
int UnixPair(int out[2]);
// The next connection; -EAGAIN if there is none.
int UnixAccept(int fd);
// The path to which the other end of a connection is bound, whatever name led there; "" for none.
std::string UnixPeerPath(int fd);
// Shuts the connection down in both directions and discards unread data: closing with unread data would show
// the other side a reset (unix(7)) instead of an end of file.
int UnixShutdown(int fd);
// One sendmsg; the descriptors go with the first byte. Returns the bytes sent, -EAGAIN if the socket is full,
// -EPIPE (without SIGPIPE) if closed.
int64_t SendMessage(int fd, std::span<const uint8_t> data, std::span<const int> fds);
// One recvmsg; descriptors beyond `max_fds` are dropped. -EAGAIN if nothing has arrived.
int ReceiveMessage(int fd, std::span<uint8_t> into, size_t max_fds, Received* out);

}  // namespace vpci
