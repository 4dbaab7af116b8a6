// SPDX-License-Identifier: BSD-3-Clause
#include "os/link_events.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

namespace vpci {

int LinkEventsOpen() {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return -errno;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  const int error = -errno;
  close(fd);
  return error;
}

void LinkEventsDrain(int fd) {
  // The messages are not read: each may be cut short. ENOBUFS says that some were lost, and more may wait.
  // What is left of a flood makes the descriptor readable again.
  constexpr int kMost = 256;
  char cut;
  for (int i = 0; i < kMost; i++)
    if (recv(fd, &cut, sizeof cut, MSG_DONTWAIT) < 0 && errno != EINTR && errno != ENOBUFS) return;
}

}  // namespace vpci
