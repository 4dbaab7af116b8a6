// SPDX-License-Identifier: BSD-3-Clause
#include "os/packet_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace vpci {
namespace {

// PACKET_IGNORE_OUTGOING, Linux 4.20: headers may be older than the kernel.
constexpr int kIgnoreOutgoing = 23;
constexpr int kReceiveBuffer = 16 << 20;
constexpr size_t kAddresses = 12;
constexpr size_t kTag = 4;

int SetOption(int fd, int option, int value) {
  return setsockopt(fd, SOL_PACKET, option, &value, sizeof value) < 0 ? -errno : 0;
}

int Bind(int fd, int index, PacketSocket* out) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = index;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return -errno;
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) < 0) return -errno;
  if (address.sll_hatype != ARPHRD_ETHER && address.sll_hatype != ARPHRD_LOOPBACK) return -EPROTOTYPE;
  std::memcpy(out->mac, address.sll_addr, sizeof out->mac);
  return 0;
}

int SetUp(int fd, int index, bool only_incoming, PacketSocket* out) {
  // The first is for root alone, the second as much as everybody may have.
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  if (const int error = SetOption(fd, PACKET_AUXDATA, 1)) return error;
  if (only_incoming)
    if (const int error = SetOption(fd, kIgnoreOutgoing, 1)) return error;
  packet_mreq all{index, PACKET_MR_PROMISC, 0, {}};
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) < 0) return -errno;
  return Bind(fd, index, out);
}

const tpacket_auxdata* AuxiliaryOf(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
    if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA)
      return reinterpret_cast<const tpacket_auxdata*>(CMSG_DATA(c));
  return nullptr;
}

// Between the addresses and the rest, which is `kTag` bytes further on.
void InsertTag(uint8_t* frame, const tpacket_auxdata& aux) {
  const uint16_t tpid = (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) ? aux.tp_vlan_tpid : ETH_P_8021Q;
  const uint16_t tag[2] = {htons(tpid), htons(aux.tp_vlan_tci)};
  std::memcpy(frame + kAddresses, tag, sizeof tag);
}

}  // namespace

int PacketSocketOpen(const char* name, bool only_incoming, PacketSocket* out) {
  const unsigned index = if_nametoindex(name);
  if (index == 0) return -errno;
  // Protocol 0: nothing arrives before it is bound.
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  out->fd = fd;
  const int error = SetUp(fd, static_cast<int>(index), only_incoming, out);
  if (error < 0) close(fd);
  return error;
}

int64_t PacketReceive(int fd, uint8_t* into, size_t room) {
  if (room <= kAddresses + kTag) return -EINVAL;
  // The addresses go to the start, the rest leaves room for a tag behind them.
  iovec parts[2] = {{into, kAddresses}, {into + kAddresses + kTag, room - kAddresses - kTag}};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(tpacket_auxdata))];
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n;
  do n = recvmsg(fd, &message, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN ? 0 : -errno;
  if (static_cast<size_t>(n) <= kAddresses) return n;
  const tpacket_auxdata* aux = AuxiliaryOf(message);
  if (aux && (aux->tp_status & TP_STATUS_VLAN_VALID)) {
    InsertTag(into, *aux);
    return n + static_cast<int64_t>(kTag);
  }
  std::memmove(into + kAddresses, into + kAddresses + kTag, static_cast<size_t>(n) - kAddresses);
  return n;
}

int PacketSend(int fd, const uint8_t* frame, size_t length) {
  ssize_t n;
  do n = send(fd, frame, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : 0;
}

PacketLink PacketLinkOf(int fd) {
  sockaddr_ll address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) < 0) return PacketLink::kGone;
  // The kernel sets the number of an interface that is gone to -1. By name, since that is how flags are asked
  // for; it may have been renamed.
  ifreq request{};
  request.ifr_ifindex = address.sll_ifindex;
  if (address.sll_ifindex <= 0 || ioctl(fd, SIOCGIFNAME, &request) < 0) return PacketLink::kGone;
  if (ioctl(fd, SIOCGIFFLAGS, &request) < 0) return PacketLink::kGone;
  if (!(request.ifr_flags & IFF_UP)) return PacketLink::kDown;
  return request.ifr_flags & IFF_RUNNING ? PacketLink::kUp : PacketLink::kNoCarrier;
}

uint32_t PacketDropped(int fd) {
  tpacket_stats stats{};
  socklen_t size = sizeof stats;
  return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) < 0 ? 0 : stats.tp_drops;
}

}  // namespace vpci
