// SPDX-License-Identifier: BSD-3-Clause
// Wait sets for JavaScript. Waiting uses raw Node-API like the functions of poll loops: it allocates nothing,
// and an invalid handle behaves like a set in which nothing happens.
#include <uv.h>

#include <memory>

#include "binding/arguments.h"
#include "binding/error.h"
#include "binding/os.h"
#include "binding/ring_registry.h"
#include "os/wait_set.h"

namespace vpci {
namespace {

constexpr uint32_t kMaxWaitSets = 256;
// The receive queues of all ports, and the descriptor that wakes the thread.
constexpr uint32_t kMaxDescriptors = kMaxQueues;

// Never destroyed: worker threads may outlive the static destructors.
SlotTable<WaitSet, kMaxWaitSets>& WaitSets() {
  static auto& sets = *new SlotTable<WaitSet, kMaxWaitSets>;
  return sets;
}

Napi::Value WaitSetCreate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto set = std::make_unique<WaitSet>();
  for (const int fd : arg::Ints(info[0], "fds", 0, INT_MAX, kMaxDescriptors))
    Check(env, set->Add(fd), "waitSetCreate");
  const int64_t handle = WaitSets().Add(std::move(set));
  if (handle < 0) throw ErrnoError(env, ENOSPC, "waitSetCreate");
  return Napi::Number::New(env, static_cast<double>(handle));
}

Napi::Value WaitSetDestroy(const Napi::CallbackInfo& info) {
  if (!WaitSets().Remove(arg::Uint32(info[0], "set")))
    throw Napi::RangeError::New(info.Env(), "no such wait set: " + info[0].ToString().Utf8Value());
  return info.Env().Undefined();
}

napi_value WaitSetWait(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  size_t argc = 3;
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  uint32_t handle = 0;
  int32_t timeout_ms = 0;
  napi_get_value_uint32(env, argv[0], &handle);
  napi_get_value_int32(env, argv[1], &timeout_ms);
  napi_typedarray_type type = napi_uint8_array;
  size_t capacity = 0;
  void* ready = nullptr;
  WaitSet* set = WaitSets().Get(handle);
  uint32_t count = 0;
  uv_loop_t* loop = nullptr;
  if (set && napi_get_uv_event_loop(env, &loop) == napi_ok &&
      napi_get_typedarray_info(env, argv[2], &type, &capacity, &ready, nullptr, nullptr) == napi_ok &&
      type == napi_uint32_array)
    count = set->Wait(timeout_ms, uv_backend_fd(loop), static_cast<uint32_t*>(ready), capacity);
  napi_value result;
  napi_create_uint32(env, count, &result);
  return result;
}

}  // namespace

void InitOsWait(Napi::Object exports) {
  Export<WaitSetCreate>(exports, "waitSetCreate");
  Export<WaitSetDestroy>(exports, "waitSetDestroy");
  const napi_property_descriptor wait = {"waitSetWait", nullptr, WaitSetWait,     nullptr,
                                         nullptr,       nullptr, napi_enumerable, nullptr};
  napi_define_properties(exports.Env(), exports, 1, &wait);
}

}  // namespace vpci
