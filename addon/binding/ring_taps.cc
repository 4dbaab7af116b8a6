// SPDX-License-Identifier: BSD-3-Clause
// Queues of tap interfaces.
#include <errno.h>

#include <algorithm>

#include "binding/arguments.h"
#include "binding/buffers.h"
#include "binding/error.h"
#include "binding/hot.h"
#include "binding/ring_registry.h"

namespace vpci {
namespace {

Napi::Value TapQueueCreate(const Napi::CallbackInfo& info) {
  const std::string role = arg::String(info[0], "role");
  if (role != "rx" && role != "tx") throw arg::OutOfRange(info.Env(), "role", "'rx' or 'tx'");
  auto& taps = TheRegistry().taps;
  int64_t handle = taps.Renew();
  if (handle < 0) handle = taps.Add(std::make_unique<TapQueue>());
  if (handle < 0) throw ErrnoError(info.Env(), ENOSPC, "tapQueueCreate");
  TapQueue& q = *taps.Get(static_cast<uint32_t>(handle));
  q.role = role == "rx" ? QueueRole::kRx : QueueRole::kTx;
  q.counters = QueueCounters{};
  return Napi::Number::New(info.Env(), static_cast<double>(handle));
}

Napi::Value TapQueueStart(const Napi::CallbackInfo& info) {
  const int fd = arg::Fd(info[1], "fd");
  const bool cuts_udp = arg::Bool(info[2], "cutsUdp");
  TapQueue& q = TapQueueArg(info[0]);
  q.Stop();
  q.Start(fd, cuts_udp);
  return info.Env().Undefined();
}

Napi::Value TapQueueStop(const Napi::CallbackInfo& info) {
  TapQueueArg(info[0]).Stop();
  return info.Env().Undefined();
}

Napi::Value TapQueueStats(const Napi::CallbackInfo& info) {
  QueueCounters& counters = TapQueueArg(info[0]).counters;
  return CachedBuffer(info.Env(), BufferOf::kTapQueueStats, arg::Uint32(info[0], "queue"), &counters,
                      QueueCounters::kCount * sizeof(uint64_t));
}

Napi::Value TapQueueDestroy(const Napi::CallbackInfo& info) {
  TapQueueArg(info[0]).Stop();
  DropBuffer(info.Env(), BufferOf::kTapQueueStats, arg::Uint32(info[0], "queue"));
  TheRegistry().taps.Retire(arg::Uint32(info[0], "queue"));
  return info.Env().Undefined();
}

TapQueue* QueueOf(uint32_t handle, QueueRole role) {
  TapQueue* q = TheRegistry().taps.Get(handle);
  return q && q->role == role ? q : nullptr;
}

napi_value TapRx(napi_env env, napi_callback_info info) {
  Args<3> a(env, info);
  TapQueue* q = QueueOf(a[0], QueueRole::kRx);
  Vector vector(a[1]);
  const uint32_t n = std::min(a[2], vector.capacity);
  return Number(env, q && n ? TapRxBurst(*q, *vector.pool, vector.ids, n) : 0);
}

napi_value TapTx(napi_env env, napi_callback_info info) {
  Args<4> a(env, info);
  TapQueue* q = QueueOf(a[0], QueueRole::kTx);
  Vector vector(a[1]);
  const uint32_t to = std::min(a[3], vector.capacity);
  return Number(env, q && a[2] < to ? TapTxBurst(*q, *vector.pool, vector.ids + a[2], to - a[2]) : 0);
}

}  // namespace

void InitRingTaps(Napi::Env env, Napi::Object exports) {
  Export(env, exports, "tapQueueCreate", TapQueueCreate);
  Export(env, exports, "tapQueueStart", TapQueueStart);
  Export(env, exports, "tapQueueStop", TapQueueStop);
  Export(env, exports, "tapQueueStats", TapQueueStats);
  Export(env, exports, "tapQueueDestroy", TapQueueDestroy);
  const napi_property_descriptor hot[] = {
      {"tapRxBurst", nullptr, TapRx, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"tapTxBurst", nullptr, TapTx, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, std::size(hot), hot);
}

}  // namespace vpci
