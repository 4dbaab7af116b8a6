// SPDX-License-Identifier: BSD-3-Clause
// Writers for JavaScript: an object of functions, as with `watchFd`. When it is garbage-collected, its thread
// writes what is queued and ends.
#include <errno.h>
#include <string.h>

#include <memory>

#include "binding/arguments.h"
#include "binding/error.h"
#include "binding/os.h"
#include "os/terminal.h"
#include "os/writer.h"

namespace vpci {
namespace {

constexpr int64_t kMaxCapacity = int64_t{1} << 30;
constexpr int32_t kMaxWaitMs = 60000;

// Shared by the functions; the thread holds its own reference to the writer.
class Owner {
 public:
  explicit Owner(std::shared_ptr<Writer> writer) : writer_(std::move(writer)) {}
  ~Owner() { writer_->Close(); }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  Writer* operator->() const { return writer_.get(); }

 private:
  const std::shared_ptr<Writer> writer_;
};

Napi::Value TakeFailure(Napi::Env env, Owner& owner) {
  const Writer::Failure failure = owner->TakeFailure();
  if (failure.error == 0) return env.Null();
  Napi::Object result = Napi::Object::New(env);
  result.Set("fd", Napi::Number::New(env, failure.fd));
  result.Set("error", ErrnoError(env, failure.error, "write").Value());
  result.Set("lines", Napi::Number::New(env, static_cast<double>(failure.lines)));
  return result;
}

Napi::Value WriterStart(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto capacity = static_cast<size_t>(arg::Integer(info[0], "capacity", 1, kMaxCapacity));
  auto writer = Writer::Start(capacity, arg::Fd(info[1], "failedFd"));
  if (!writer) throw ErrnoError(env, EAGAIN, "pthread_create");
  const auto owner = std::make_shared<Owner>(std::move(writer));
  Napi::Object result = Napi::Object::New(env);
  const auto set = [&](const char* name, auto function) {
    result.Set(name, Napi::Function::New(env, function, name));
  };
  set("put", [owner](const Napi::CallbackInfo& call) -> Napi::Value {
    const int fd = arg::Fd(call[0], "fd");
    return Napi::Boolean::New(call.Env(), (*owner)->Put(fd, arg::Bytes(call[1], "bytes")));
  });
  set("pending", [owner](const Napi::CallbackInfo& call) -> Napi::Value {
    return Napi::Number::New(call.Env(), static_cast<double>((*owner)->Pending()));
  });
  set("flush", [owner](const Napi::CallbackInfo& call) -> Napi::Value {
    const int stall_ms = arg::Int32(call[0], "stallMs", 0, kMaxWaitMs);
    const int limit_ms = arg::Int32(call[1], "limitMs", 0, kMaxWaitMs);
    return Napi::Boolean::New(call.Env(), (*owner)->Flush(stall_ms, limit_ms));
  });
  set("takeFailure",
      [owner](const Napi::CallbackInfo& call) -> Napi::Value { return TakeFailure(call.Env(), *owner); });
  return result;
}

Napi::Value Terminal(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), OpenTerminal(arg::Fd(info[0], "fd")));
}

Napi::Value Foreground(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), IsForeground(arg::Fd(info[0], "fd")));
}

Napi::Value TerminalRaw(const Napi::CallbackInfo& info) {
  Check(info.Env(), SetTerminalRaw(arg::Fd(info[0], "fd"), arg::Bool(info[1], "on")), "tcsetattr");
  return info.Env().Undefined();
}

Napi::Value TerminalInterrupt(const Napi::CallbackInfo& info) {
  Check(info.Env(), SetTerminalInterrupt(arg::Fd(info[0], "fd"), arg::Bool(info[1], "on")), "tcsetattr");
  return info.Env().Undefined();
}

}  // namespace

void InitOsWriter(Napi::Object exports) {
  Export<WriterStart>(exports, "writerStart");
  Export<Terminal>(exports, "openTerminal");
  Export<Foreground>(exports, "isForeground");
  Export<TerminalRaw>(exports, "setTerminalRaw");
  Export<TerminalInterrupt>(exports, "setTerminalInterrupt");
}

}  // namespace vpci
