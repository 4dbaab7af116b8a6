// SPDX-License-Identifier: BSD-3-Clause
// `watchFd`: a libuv poll handle that calls back on the event loop of its thread, the main one or a worker's.
//
// A watcher owns itself from start until libuv has released its handle; the FdWatcher object in JavaScript
// shares it, so close() is harmless at any time. If the environment ends first (a worker exits), a cleanup
// hook closes the handle, and the environment waits for that. The callback goes through plain Node-API, not
// the C++ wrapper: the wrapper aborts when a call fails without an exception, which is what happens in a
// worker that is being terminated.
#include <uv.h>

#include <memory>

#include "binding/arguments.h"
#include "binding/error.h"
#include "binding/os.h"

namespace vpci {
namespace {

class Watcher {
 public:
  // Starts watching; throws.
  static std::shared_ptr<Watcher> Start(Napi::Env env, int fd, Napi::Function callback);

  // Idempotent, and safe inside the callback: nothing is freed before the next loop iteration.
  void Close() {
    if (closing_) return;
    closing_ = true;
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_), OnClosed);
  }

  // Watching does not keep the event loop alive.
  void Unref() {
    if (!closing_) uv_unref(reinterpret_cast<uv_handle_t*>(&poll_));
  }

 private:
  static constexpr int kEvents = UV_READABLE | UV_DISCONNECT;

  static void OnReady(uv_poll_t* handle, int status, int events);
  static void OnClosed(uv_handle_t* handle);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* watcher) {
    static_cast<Watcher*>(watcher)->Close();
  }
  void Attach(Napi::Env env, Napi::Function callback);
  void CallBack();

  napi_env env_ = nullptr;
  uv_poll_t poll_{};
  bool closing_ = false;
  napi_ref callback_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  std::shared_ptr<Watcher> self_;
};

std::shared_ptr<Watcher> Watcher::Start(Napi::Env env, int fd, Napi::Function callback) {
  uv_loop_t* loop = nullptr;
  NAPI_THROW_IF_FAILED(env, napi_get_uv_event_loop(env, &loop));
  auto watcher = std::make_shared<Watcher>();
  watcher->env_ = env;
  watcher->poll_.data = watcher.get();
  // EPERM if it cannot be waited on (a regular file), EEXIST if this thread already watches it.
  if (const int error = uv_poll_init(loop, &watcher->poll_, fd)) throw ErrnoError(env, error, "watchFd");
  // From here on libuv knows the handle: it must be closed, and stays alive until then.
  watcher->self_ = watcher;
  try {
    watcher->Attach(env, callback);
  } catch (const Napi::Error&) {
    watcher->Close();
    throw;
  }
  return watcher;
}

void Watcher::Attach(Napi::Env env, Napi::Function callback) {
  const auto name = Napi::String::New(env, "vhost-pci:watchFd");
  NAPI_THROW_IF_FAILED_VOID(env, napi_create_reference(env, callback, 1, &callback_));
  NAPI_THROW_IF_FAILED_VOID(env, napi_async_init(env, nullptr, name, &context_));
  NAPI_THROW_IF_FAILED_VOID(env, napi_add_async_cleanup_hook(env, OnEnvironmentEnd, this, &hook_));
  if (const int error = uv_poll_start(&poll_, kEvents, OnReady)) throw ErrnoError(env, error, "watchFd");
}

void Watcher::OnReady(uv_poll_t* handle, int status, int) {
  auto* watcher = static_cast<Watcher*>(handle->data);
  watcher->CallBack();
  // libuv stops a handle whose descriptor is in error. We report that as readable, level-triggered: the
  // reader will see the error.
  if (status < 0 && !watcher->closing_) uv_poll_start(handle, kEvents, OnReady);
}

void Watcher::CallBack() {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value callback;
  napi_value receiver;
  if (napi_get_reference_value(env_, callback_, &callback) == napi_ok &&
      napi_get_global(env_, &receiver) == napi_ok &&
      napi_make_callback(env_, context_, receiver, callback, 0, nullptr, nullptr) != napi_ok) {
    bool thrown = false;
    napi_value exception;
    if (napi_is_exception_pending(env_, &thrown) == napi_ok && thrown &&
        napi_get_and_clear_last_exception(env_, &exception) == napi_ok) {
      napi_fatal_exception(env_, exception);
    }
  }
  napi_close_handle_scope(env_, scope);
}

void Watcher::OnClosed(uv_handle_t* handle) {
  auto* watcher = static_cast<Watcher*>(handle->data);
  napi_handle_scope scope;
  const bool scoped = napi_open_handle_scope(watcher->env_, &scope) == napi_ok;
  if (watcher->callback_) napi_delete_reference(watcher->env_, watcher->callback_);
  if (watcher->context_) napi_async_destroy(watcher->env_, watcher->context_);
  if (scoped) napi_close_handle_scope(watcher->env_, scope);
  if (watcher->hook_) napi_remove_async_cleanup_hook(watcher->hook_);
  watcher->self_.reset();
}

}  // namespace

Napi::Value WatchFd(const Napi::CallbackInfo& info) {
  const int fd = arg::Fd(info[0], "fd");
  const Napi::Function callback = arg::Function(info[1], "onReadable");
  const auto watcher = Watcher::Start(info.Env(), fd, callback);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("close", Napi::Function::New(
                          info.Env(), [watcher](const Napi::CallbackInfo&) { watcher->Close(); }, "close"));
  result.Set("unref", Napi::Function::New(
                          info.Env(), [watcher](const Napi::CallbackInfo&) { watcher->Unref(); }, "unref"));
  return result;
}

}  // namespace vpci
