// SPDX-License-Identifier: BSD-3-Clause
// Unix sockets for JavaScript.
#include <errno.h>

#include "binding/arguments.h"
#include "binding/error.h"
#include "binding/os.h"
#include "os/file.h"
#include "os/socket.h"

namespace vpci {
namespace {

// {mode, uid, gid}; each of them, or the whole object, may be left out.
SocketAccess Access(const Napi::Value& value) {
  SocketAccess access;
  if (value.IsUndefined()) return access;
  const Napi::Object object = arg::Object(value, "access");
  const auto number = [&](const char* name, int64_t most, auto missing) {
    const Napi::Value field = object.Get(name);
    return field.IsUndefined() ? missing : static_cast<decltype(missing)>(arg::Integer(field, name, 0, most));
  };
  access.mode = number("mode", 0777, access.mode);
  access.uid = number("uid", UINT32_MAX - 1, access.uid);
  access.gid = number("gid", UINT32_MAX - 1, access.gid);
  return access;
}

// Whether messages keep their bounds.
SocketKind Kind(const Napi::Value& value) {
  if (value.IsUndefined()) return SocketKind::kStream;
  return arg::Bool(value, "messages") ? SocketKind::kSeqpacket : SocketKind::kStream;
}

Napi::Value Listen(const Napi::CallbackInfo& info) {
  const std::string path = arg::String(info[0], "path");
  const int fd = UnixListen(path.c_str(), Access(info[1]), Kind(info[2]));
  return Napi::Number::New(info.Env(), Check(info.Env(), fd, "listen", path));
}

// -1 for a name that the system does not know.
Napi::Value UserId(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(FindUser(arg::String(info[0], "name").c_str())));
}

Napi::Value GroupId(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(FindGroup(arg::String(info[0], "name").c_str())));
}

Napi::Value Connect(const Napi::CallbackInfo& info) {
  const std::string path = arg::String(info[0], "path");
  const int fd = UnixConnect(path.c_str(), Kind(info[1]));
  return Napi::Number::New(info.Env(), Check(info.Env(), fd, "connect", path));
}

Napi::Value Pair(const Napi::CallbackInfo& info) {
  int fds[2];
  Check(info.Env(), UnixPair(fds), "socketpair");
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  for (uint32_t i = 0; i < 2; i++) pair.Set(i, Napi::Number::New(info.Env(), fds[i]));
  return pair;
}

Napi::Value Accept(const Napi::CallbackInfo& info) {
  const int fd = UnixAccept(arg::Fd(info[0], "fd"));
  if (fd == -EAGAIN) return Napi::Number::New(info.Env(), -1);
  return Napi::Number::New(info.Env(), Check(info.Env(), fd, "accept"));
}

Napi::Value PeerPath(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), UnixPeerPath(arg::Fd(info[0], "fd")));
}

Napi::Value Shutdown(const Napi::CallbackInfo& info) {
  Check(info.Env(), UnixShutdown(arg::Fd(info[0], "fd")), "shutdown");
  return info.Env().Undefined();
}

// Descriptors cannot be sent without bytes, and 0 received bytes mean end of file: an empty array is an
// error.
std::span<uint8_t> SomeBytes(const Napi::Value& value, const char* name) {
  const auto bytes = arg::Bytes(value, name);
  if (bytes.empty()) throw arg::OutOfRange(value.Env(), name, "at least one byte long");
  return bytes;
}

Napi::Value Send(const Napi::CallbackInfo& info) {
  const int fd = arg::Fd(info[0], "fd");
  // The descriptors first: reading an array may run JavaScript, which may detach the bytes.
  const std::vector<int> fds = arg::Ints(info[2], "fds", 0, INT_MAX, kMaxMessageFds);
  const int64_t sent = SendMessage(fd, SomeBytes(info[1], "data"), fds);
  if (sent < 0 && sent != -EAGAIN) throw ErrnoError(info.Env(), static_cast<int>(sent), "sendmsg");
  return Napi::Number::New(info.Env(), sent < 0 ? 0.0 : static_cast<double>(sent));
}

Napi::Value ToObject(Napi::Env env, const Received& received) {
  Napi::Array fds = Napi::Array::New(env, received.fds.size());
  for (uint32_t i = 0; i < received.fds.size(); i++) fds.Set(i, Napi::Number::New(env, received.fds[i]));
  Napi::Object result = Napi::Object::New(env);
  result.Set("bytes", Napi::Number::New(env, static_cast<double>(received.bytes)));
  result.Set("fds", fds);
  result.Set("fdsTruncated", Napi::Boolean::New(env, received.fds_truncated));
  return result;
}

Napi::Value Receive(const Napi::CallbackInfo& info) {
  const int fd = arg::Fd(info[0], "fd");
  const auto into = SomeBytes(info[1], "into");
  const uint32_t max_fds = arg::Uint32(info[2], "maxFds", 0, kMaxMessageFds);
  Received received;
  const int error = ReceiveMessage(fd, into, max_fds, &received);
  if (error == -EAGAIN) return info.Env().Null();
  Check(info.Env(), error, "recvmsg");
  try {
    return ToObject(info.Env(), received);
  } catch (const Napi::Error&) {
    for (const int lost : received.fds) CloseFd(lost);
    throw;
  }
}

}  // namespace

void InitOsSocket(Napi::Object exports) {
  Export<Listen>(exports, "unixListen");
  Export<UserId>(exports, "userId");
  Export<GroupId>(exports, "groupId");
  Export<Connect>(exports, "unixConnect");
  Export<Pair>(exports, "socketPair");
  Export<Accept>(exports, "unixAccept");
  Export<PeerPath>(exports, "unixPeerPath");
  Export<Shutdown>(exports, "unixShutdown");
  Export<Send>(exports, "sendMessage");
  Export<Receive>(exports, "receiveMessage");
}

}  // namespace vpci
