// SPDX-License-Identifier: BSD-3-Clause
// Memory files, mappings and descriptors for JavaScript.
#include <errno.h>

#include <algorithm>
#include <vector>

#include "binding/arguments.h"
#include "binding/buffers.h"
#include "binding/error.h"
#include "binding/os.h"
#include "burst/in_place.h"
#include "os/file.h"
#include "os/foreign_file.h"
#include "os/mapping.h"

namespace vpci {
namespace {

Napi::Value MemfdCreateJs(const Napi::CallbackInfo& info) {
  const std::string name = arg::String(info[0], "name");
  const uint64_t size = arg::Size(info[1], "size", 1);
  const bool hugepages = arg::Bool(info[2], "hugepages");
  const int fd = Check(info.Env(), MemfdCreate(name.c_str(), size, hugepages), "memfd_create");
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value MapFd(const Napi::CallbackInfo& info) {
  const int fd = arg::Fd(info[0], "fd");
  const uint64_t offset = arg::Size(info[1], "offset");
  const uint64_t length = arg::Size(info[2], "length", 1);
  const bool writable = arg::Bool(info[3], "writable");
  uint32_t handle = 0;
  Check(info.Env(), MappingAddFd(fd, offset, length, writable, &handle), "mmap");
  return Napi::Number::New(info.Env(), handle);
}

Napi::Value MapFileParts(const Napi::CallbackInfo& info) {
  const Napi::Array array = arg::Array(info[0], "parts");
  const bool writable = arg::Bool(info[1], "writable");
  std::vector<FilePart> parts;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Object part = arg::Object(array.Get(i), "part");
    parts.push_back({arg::Fd(part.Get("fd"), "fd"), arg::Size(part.Get("offset"), "offset"),
                     arg::Size(part.Get("length"), "length", 1)});
  }
  uint32_t handle = 0;
  Check(info.Env(), MappingAddFileParts(parts, writable, &handle), "mmap");
  return Napi::Number::New(info.Env(), handle);
}

Napi::Value MapAnonymous(const Napi::CallbackInfo& info) {
  const uint64_t length = arg::Size(info[0], "length", 1);
  const bool hugepages = arg::Bool(info[1], "hugepages");
  uint32_t handle = 0;
  Check(info.Env(), MappingAddAnonymous(length, hugepages, &handle), "mmap");
  return Napi::Number::New(info.Env(), handle);
}

Napi::RangeError Unknown(Napi::Env env, uint32_t handle) {
  return Napi::RangeError::New(env, "mapping " + std::to_string(handle) + " does not exist");
}

// This thread's views of a mapping: the whole and its windows.
void DropViews(Napi::Env env, uint32_t handle, size_t length) {
  DropBuffer(env, BufferOf::kMapping, handle);
  for (uint64_t window = 0; window << kWindowBits < length; window++)
    DropBuffer(env, BufferOf::kMappingWindow, handle, static_cast<uint32_t>(window));
}

Napi::Value MappingWindow(const Napi::CallbackInfo& info) {
  const uint32_t handle = arg::Uint32(info[0], "mapping");
  const uint32_t window = arg::Uint32(info[1], "window", 0, (1u << 24) - 1);
  Mapping mapping;
  if (MappingGet(handle, &mapping) < 0) throw Unknown(info.Env(), handle);
  const uint64_t start = uint64_t{window} << kWindowBits;
  if (start >= mapping.length) throw arg::OutOfRange(info.Env(), "window", "one that the mapping has");
  const size_t length = std::min<uint64_t>(mapping.length - start, uint64_t{1} << kWindowBits);
  return CachedBuffer(info.Env(), BufferOf::kMappingWindow, handle, mapping.base + start, length, window);
}

Napi::Value MappingBuffer(const Napi::CallbackInfo& info) {
  const uint32_t handle = arg::Uint32(info[0], "mapping");
  Mapping mapping;
  if (MappingGet(handle, &mapping) < 0) {
    // Another thread has unmapped it: this thread's buffers must no longer be used.
    DropBuffer(info.Env(), BufferOf::kMapping, handle);
    throw Unknown(info.Env(), handle);
  }
  return CachedBuffer(info.Env(), BufferOf::kMapping, handle, mapping.base, mapping.length);
}

Napi::Value MappingIsSparseJs(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), MappingIsSparse(arg::Uint32(info[0], "mapping")));
}

Napi::Value HugePagesRefusedJs(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), HugePagesRefused());
}

Napi::Value LimitHoles(const Napi::CallbackInfo& info) {
  const uint32_t handle = arg::Uint32(info[0], "mapping");
  Check(info.Env(), MappingLimitHoles(handle, arg::Size(info[1], "bytes")), "userfaultfd");
  return info.Env().Undefined();
}

Napi::Value NotifyLoss(const Napi::CallbackInfo& info) {
  const uint32_t handle = arg::Uint32(info[0], "mapping");
  Check(info.Env(), MappingNotifyLoss(handle, arg::Fd(info[1], "eventFd")), "notifyLoss");
  return info.Env().Undefined();
}

Napi::Value MappingState(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint32_t handle = arg::Uint32(info[0], "mapping");
  GuardState state;
  if (MappingGuardState(handle, &state) < 0) throw Unknown(env, handle);
  Napi::Object result = Napi::Object::New(env);
  const char* loss = state.loss == MappingLoss::kNone     ? "none"
                     : state.loss == MappingLoss::kShrunk ? "shrunk"
                                                          : "over-limit";
  result.Set("loss", Napi::String::New(env, loss));
  result.Set("filled", Napi::Number::New(env, static_cast<double>(state.filled)));
  return result;
}

Napi::Value Unmap(const Napi::CallbackInfo& info) {
  const uint32_t handle = arg::Uint32(info[0], "mapping");
  Mapping mapping;
  if (MappingGet(handle, &mapping) == 0) DropViews(info.Env(), handle, mapping.length);
  const int error = MappingRemove(handle);
  if (error == -EBADF) throw Unknown(info.Env(), handle);
  Check(info.Env(), error, "munmap");
  return info.Env().Undefined();
}

Napi::Value Close(const Napi::CallbackInfo& info) {
  Check(info.Env(), CloseFd(arg::Fd(info[0], "fd")), "close");
  return info.Env().Undefined();
}

Napi::Value CloseForeignJs(const Napi::CallbackInfo& info) {
  CloseForeign(arg::Fd(info[0], "fd"));
  return info.Env().Undefined();
}

Napi::Value FileSystemJs(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), FileSystemOf(arg::Fd(info[0], "fd")));
}

Napi::Value Dup(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Check(info.Env(), DupFd(arg::Fd(info[0], "fd")), "dup"));
}

Napi::Value FileInfoJs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  FileInfo file;
  Check(env, FileStat(arg::Fd(info[0], "fd"), &file), "fstat");
  Napi::Object result = Napi::Object::New(env);
  result.Set("regular", Napi::Boolean::New(env, file.regular));
  result.Set("size", Napi::Number::New(env, static_cast<double>(file.size)));
  result.Set("device", Napi::BigInt::New(env, file.device));
  result.Set("inode", Napi::BigInt::New(env, file.inode));
  return result;
}

Napi::Value LockFileJs(const Napi::CallbackInfo& info) {
  const int fd = arg::Fd(info[0], "fd");
  const uint64_t offset = arg::Size(info[1], "offset");
  const uint64_t length = arg::Size(info[2], "length", 1);
  const int locked = LockFile(fd, offset, length);
  return Napi::Boolean::New(info.Env(), Check(info.Env(), locked, "fcntl") == 1);
}

Napi::Value FilePageSizeJs(const Napi::CallbackInfo& info) {
  const int64_t size = FilePageSize(arg::Fd(info[0], "fd"));
  if (size < 0) throw ErrnoError(info.Env(), static_cast<int>(size), "fstatfs");
  return Napi::Number::New(info.Env(), static_cast<double>(size));
}

}  // namespace

void InitOsMemory(Napi::Object exports) {
  Export<MemfdCreateJs>(exports, "memfdCreate");
  Export<MapFd>(exports, "mapFd");
  Export<MapFileParts>(exports, "mapFileParts");
  Export<MapAnonymous>(exports, "mapAnonymous");
  Export<MappingBuffer>(exports, "mappingBuffer");
  Export<MappingWindow>(exports, "mappingWindow");
  Export<Unmap>(exports, "unmap");
  Export<MappingIsSparseJs>(exports, "mappingIsSparse");
  Export<HugePagesRefusedJs>(exports, "hugepagesRefused");
  Export<LimitHoles>(exports, "limitHoles");
  Export<NotifyLoss>(exports, "notifyLoss");
  Export<MappingState>(exports, "mappingState");
  Export<Close>(exports, "close");
  Export<CloseForeignJs>(exports, "closeForeign");
  Export<FileSystemJs>(exports, "fileSystem");
  Export<Dup>(exports, "dup");
  Export<FileInfoJs>(exports, "fileInfo");
  Export<LockFileJs>(exports, "lockFile");
  Export<FilePageSizeJs>(exports, "filePageSize");
}

}  // namespace vpci
