// SPDX-License-Identifier: BSD-3-Clause
// Eventfds and waiting for JavaScript.
#include <poll.h>
#include <uv.h>

#include "binding/arguments.h"
#include "binding/error.h"
#include "binding/os.h"
#include "os/end_signals.h"
#include "os/event.h"
#include "ring/signal.h"

namespace vpci {
namespace {

Napi::Value Poll(const Napi::CallbackInfo& info) {
  const int fd = arg::Fd(info[0], "fd");
  const std::string events = arg::String(info[1], "events");
  const int timeout_ms = arg::Int32(info[2], "timeoutMs", 0);
  if (events != "in" && events != "out") throw arg::OutOfRange(info.Env(), "events", "'in' or 'out'");
  const int ready = PollFd(fd, events == "in" ? POLLIN : POLLOUT, timeout_ms);
  return Napi::Boolean::New(info.Env(), Check(info.Env(), ready, "poll") > 0);
}

Napi::Value HungUp(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), IsHungUp(arg::Fd(info[0], "fd")));
}

Napi::Value Create(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Check(info.Env(), EventfdCreate(), "eventfd"));
}

Napi::Value IsOne(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), IsEventfd(arg::Fd(info[0], "fd")));
}

Napi::Value Signal(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), SignalEventfd(arg::Fd(info[0], "fd")));
}

Napi::Value Drain(const Napi::CallbackInfo& info) {
  uint64_t count = 0;
  Check(info.Env(), EventfdDrain(arg::Fd(info[0], "fd"), &count), "read");
  return Napi::BigInt::New(info.Env(), count);
}

Napi::Value EndWaits(const Napi::CallbackInfo& info) {
  uv_loop_t* loop = nullptr;
  const bool has_loop = napi_get_uv_event_loop(info.Env(), &loop) == napi_ok;
  return Napi::Boolean::New(info.Env(), has_loop && EndSignalWaits(loop->signal_pipefd[0]));
}

}  // namespace

void InitOsEvent(Napi::Object exports) {
  Export<Poll>(exports, "pollFd");
  Export<HungUp>(exports, "isHungUp");
  Export<WatchFd>(exports, "watchFd");
  Export<Create>(exports, "eventfd");
  Export<IsOne>(exports, "isEventfd");
  Export<Signal>(exports, "eventfdSignal");
  Export<Drain>(exports, "eventfdDrain");
  Export<EndWaits>(exports, "endSignalWaits");
}

}  // namespace vpci
