// SPDX-License-Identifier: BSD-3-Clause
// A network interface of the kernel whose other end is a descriptor (Linux, networking/tuntap.rst): Ethernet
// frames, each behind a 12-byte virtio-net header. Functions return 0 or a number, or a negative errno.
#pragma once
#include <cstdint>
#include <string>

namespace vpci {

// Work that the kernel may leave undone in the frames it hands us.
struct TapOffloads {
  bool csum, tso4, tso6, ecn, uso;
};

// Opens one more queue of the interface `name`, which is created if it does not exist; a %d in it becomes the
// first free number. Non-blocking, close-on-exec. Returns the descriptor, and the interface's name in
// `actual`.
int TapOpen(const std::string& name, bool multi_queue, std::string* actual);
int TapSetOffloads(int fd, const TapOffloads& offloads);
// Sets whether the interface outlives its last descriptor.
int TapSetPersist(int fd, bool persist);
int TapGetMac(int fd, uint8_t mac[6]);
int TapSetMac(int fd, const uint8_t mac[6]);
// The interface's current name; -EBADFD if it was deleted.
int TapName(int fd, std::string* name);

// For an interface of this network namespace. -ENODEV if there is none of that name.
int InterfaceMtu(const std::string& name);
int InterfaceSetMtu(const std::string& name, int mtu);
// 1 if the administrator has brought it up, else 0.
int InterfaceIsUp(const std::string& name);
int InterfaceSetUp(const std::string& name, bool up);

}  // namespace vpci
