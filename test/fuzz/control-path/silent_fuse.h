// SPDX-License-Identifier: BSD-3-Clause
// A FUSE file system with one file: lookups, sizes and opens are answered, reads and writes never.
#pragma once
#include <errno.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

inline constexpr uint64_t kSilentFileBytes = 1 << 20;

inline fuse_attr Attributes(uint64_t node) {
  fuse_attr attributes{};
  attributes.ino = node;
  attributes.size = node == 1 ? 0 : kSilentFileBytes;
  attributes.mode = node == 1 ? S_IFDIR | 0755 : S_IFREG | 0666;
  attributes.nlink = 1;
  attributes.blksize = 4096;
  return attributes;
}

inline void Answer(int device, uint64_t unique, int error, const void* data, size_t bytes) {
  fuse_out_header header{static_cast<uint32_t>(sizeof header + bytes), error, unique};
  const iovec parts[] = {{&header, sizeof header}, {const_cast<void*>(data), bytes}};
  if (writev(device, parts, bytes > 0 ? 2 : 1) < 0) return;
}

// Serves `device`, an open /dev/fuse, until it is unmounted.
inline void ServeSilently(int device) {
  alignas(8) static char buffer[1 << 20];
  for (;;) {
    const ssize_t got = read(device, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < static_cast<ssize_t>(sizeof(fuse_in_header))) return;
    const auto* in = reinterpret_cast<const fuse_in_header*>(buffer);
    fuse_init_out init{};
    fuse_entry_out entry{};
    fuse_attr_out attributes{};
    fuse_open_out opened{};
    switch (in->opcode) {
      case FUSE_INIT:
        init.major = FUSE_KERNEL_VERSION;
        init.minor = FUSE_KERNEL_MINOR_VERSION;
        init.max_write = 4096;
        Answer(device, in->unique, 0, &init, sizeof init);
        break;
      case FUSE_LOOKUP:
        entry.nodeid = 2;
        entry.attr = Attributes(2);
        entry.attr_valid = entry.entry_valid = 3600;
        Answer(device, in->unique, 0, &entry, sizeof entry);
        break;
      case FUSE_GETATTR:
      case FUSE_SETATTR:
        attributes.attr = Attributes(in->nodeid);
        attributes.attr_valid = 3600;
        Answer(device, in->unique, 0, &attributes, sizeof attributes);
        break;
      case FUSE_OPEN:
        opened.open_flags = FOPEN_KEEP_CACHE;
        Answer(device, in->unique, 0, &opened, sizeof opened);
        break;
      case FUSE_READ:
      case FUSE_WRITE:
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT:
        break;
      case FUSE_RELEASE:
        Answer(device, in->unique, 0, nullptr, 0);
        break;
      default:
        Answer(device, in->unique, -ENOSYS, nullptr, 0);
    }
  }
}
