// SPDX-License-Identifier: BSD-3-Clause
// Packet sockets: whole frames from and to an interface of the kernel (packet(7)). Functions return a
// descriptor or a number, or a negative errno.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vpci {

struct PacketSocket {
  int fd;
  uint8_t mac[6];
};

// A non-blocking socket on the interface `name`, which it makes promiscuous as long as it is open. With
// `only_incoming` the interface's own frames are not received. -EPERM without CAP_NET_RAW, -ENODEV if there
// is no such interface, -EPROTOTYPE if its frames are not Ethernet's.
int PacketSocketOpen(const char* name, bool only_incoming, PacketSocket* out);

// The next frame, with the VLAN tag that the kernel had taken out of it; 0 if there is none. `room` is at
// least 64 KiB and 8 bytes.
int64_t PacketReceive(int fd, uint8_t* into, size_t room);
int PacketSend(int fd, const uint8_t* frame, size_t length);

// What has become of the socket's interface.
enum class PacketLink : int {
  kUp = 0,
  kDown = 1,       // by its administrator
  kNoCarrier = 2,  // it is up, and no frame can pass
  kGone = 3,       // deleted, or in another network namespace: for good, even if one of that name comes
};
PacketLink PacketLinkOf(int fd);

// Frames that the kernel has dropped since the last call, because nobody took them.
uint32_t PacketDropped(int fd);

}  // namespace vpci
