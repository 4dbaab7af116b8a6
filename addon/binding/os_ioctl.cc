// SPDX-License-Identifier: BSD-3-Clause
// ioctl(2) for JavaScript: the kernel's VFIO where ffi-napi cannot be loaded.
#include <errno.h>
#include <sys/ioctl.h>

#include "binding/arguments.h"
#include "binding/error.h"
#include "binding/os.h"

namespace vpci {
namespace {

Napi::Value Ioctl(const Napi::CallbackInfo& info) {
  const int fd = arg::Fd(info[0], "fd");
  const auto request = static_cast<unsigned long>(arg::Size(info[1], "request"));
  // A pointer is passed as the long that a system call takes, too.
  unsigned long argument;
  if (info[2].IsBuffer()) {
    argument = reinterpret_cast<unsigned long>(info[2].As<Napi::Buffer<uint8_t>>().Data());
  } else {
    argument = arg::Size(info[2], "argument");
  }
  const int result = ioctl(fd, request, argument);
  return Napi::Number::New(info.Env(), Check(info.Env(), result < 0 ? -errno : result, "ioctl"));
}

}  // namespace

void InitOsIoctl(Napi::Object exports) { Export<Ioctl>(exports, "ioctl"); }

}  // namespace vpci
