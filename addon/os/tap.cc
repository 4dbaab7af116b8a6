// SPDX-License-Identifier: BSD-3-Clause
#include "os/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace vpci {
namespace {

// struct virtio_net_hdr_mrg_rxbuf (VIRTIO 1.2, 5.1.6); <linux/virtio_net.h> does not compile as C++.
constexpr int kHeaderBytes = 12;
// Linux 6.2; the system's headers may be older.
constexpr unsigned kTunUso4 = 0x20;
constexpr unsigned kTunUso6 = 0x40;

int Ioctl(int fd, unsigned long request, void* argument) {
  const int result = ioctl(fd, request, argument);
  return result < 0 ? -errno : result;
}

int Named(const std::string& name, ifreq* out) {
  *out = {};
  if (name.empty() || name.size() >= IFNAMSIZ) return -EINVAL;
  memcpy(out->ifr_name, name.data(), name.size());
  return 0;
}

// Interface ioctls work on any socket.
int InterfaceIoctl(unsigned long request, ifreq* argument) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const int result = Ioctl(fd, request, argument);
  close(fd);
  return result;
}

int SetUp(int fd, const std::string& name, bool multi_queue, std::string* actual) {
  ifreq request;
  if (const int error = Named(name, &request)) return error;
  request.ifr_flags =
      static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multi_queue ? IFF_MULTI_QUEUE : 0));
  if (const int error = Ioctl(fd, TUNSETIFF, &request)) return error;
  int header = kHeaderBytes;
  if (const int error = Ioctl(fd, TUNSETVNETHDRSZ, &header)) return error;
  *actual = std::string(request.ifr_name, strnlen(request.ifr_name, IFNAMSIZ));
  return 0;
}

}  // namespace

int TapOpen(const std::string& name, bool multi_queue, std::string* actual) {
  const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -errno;
  if (const int error = SetUp(fd, name, multi_queue, actual)) {
    close(fd);
    return error;
  }
  return fd;
}

int TapSetOffloads(int fd, const TapOffloads& o) {
  const unsigned bits = (o.csum ? TUN_F_CSUM : 0) | (o.tso4 ? TUN_F_TSO4 : 0) | (o.tso6 ? TUN_F_TSO6 : 0) |
                        (o.ecn ? TUN_F_TSO_ECN : 0) | (o.uso ? kTunUso4 | kTunUso6 : 0);
  return ioctl(fd, TUNSETOFFLOAD, static_cast<unsigned long>(bits)) < 0 ? -errno : 0;
}

int TapSetPersist(int fd, bool persist) {
  return ioctl(fd, TUNSETPERSIST, persist ? 1ul : 0ul) < 0 ? -errno : 0;
}

int TapGetMac(int fd, uint8_t mac[6]) {
  ifreq request{};
  const int result = Ioctl(fd, SIOCGIFHWADDR, &request);
  memcpy(mac, request.ifr_hwaddr.sa_data, 6);
  return result;
}

int TapSetMac(int fd, const uint8_t mac[6]) {
  ifreq request{};
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  memcpy(request.ifr_hwaddr.sa_data, mac, 6);
  return Ioctl(fd, SIOCSIFHWADDR, &request);
}

int TapName(int fd, std::string* name) {
  ifreq request{};
  const int result = Ioctl(fd, TUNGETIFF, &request);
  *name = std::string(request.ifr_name, strnlen(request.ifr_name, IFNAMSIZ));
  return result;
}

int InterfaceMtu(const std::string& name) {
  ifreq request;
  if (const int error = Named(name, &request)) return error;
  const int result = InterfaceIoctl(SIOCGIFMTU, &request);
  return result < 0 ? result : request.ifr_mtu;
}

int InterfaceSetMtu(const std::string& name, int mtu) {
  ifreq request;
  if (const int error = Named(name, &request)) return error;
  request.ifr_mtu = mtu;
  return InterfaceIoctl(SIOCSIFMTU, &request);
}

int InterfaceIsUp(const std::string& name) {
  ifreq request;
  if (const int error = Named(name, &request)) return error;
  const int result = InterfaceIoctl(SIOCGIFFLAGS, &request);
  return result < 0 ? result : (request.ifr_flags & IFF_UP) != 0;
}

int InterfaceSetUp(const std::string& name, bool up) {
  ifreq request;
  if (const int error = Named(name, &request)) return error;
  if (const int error = InterfaceIoctl(SIOCGIFFLAGS, &request)) return error;
  if (((request.ifr_flags & IFF_UP) != 0) == up) return 0;
  request.ifr_flags = static_cast<short>(request.ifr_flags ^ IFF_UP);
  return InterfaceIoctl(SIOCSIFFLAGS, &request);
}

}  // namespace vpci
