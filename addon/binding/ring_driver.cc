// SPDX-License-Identifier: BSD-3-Clause
// Queues in the driver role: control path of the built-in peer.
#include <errno.h>

#include "binding/arguments.h"
#include "binding/buffers.h"
#include "binding/error.h"
#include "binding/ring_registry.h"
#include "os/mapping.h"

namespace vpci {
namespace {

Napi::Value DriverQueueCreate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string role = arg::String(info[0], "role");
  if (role != "rx" && role != "tx") throw arg::OutOfRange(env, "role", "'rx' or 'tx'");
  const Napi::Object o = arg::Object(info[1], "setup");
  DriverQueueSetup setup;
  setup.desc = arg::Size(o.Get("desc"), "desc");
  setup.avail = arg::Size(o.Get("avail"), "avail");
  setup.used = arg::Size(o.Get("used"), "used");
  setup.buffers = arg::Size(o.Get("buffers"), "buffers");
  setup.gpa = arg::BigUint64(o.Get("gpa"), "gpa");
  setup.size = arg::Uint32(o.Get("size"), "size");
  setup.buffer_size = arg::Uint32(o.Get("bufferSize"), "bufferSize", 76, 1u << 20);
  setup.features = arg::Features(o.Get("features"), "features");
  setup.kick_fd = arg::Int32(o.Get("kickFd"), "kickFd", -1);
  // Last: a getter of `setup` may have unmapped it.
  Mapping mapping;
  Check(env, MappingGet(arg::Uint32(o.Get("mapping"), "mapping"), &mapping), "driverQueueCreate");
  if (!mapping.writable) throw ErrnoError(env, EACCES, "driverQueueCreate");
  setup.base = mapping.base;
  setup.length = mapping.length;
  auto queue = std::make_unique<PeerTraffic>();
  if (!queue->Init(role == "rx" ? QueueRole::kRx : QueueRole::kTx, setup))
    throw Napi::RangeError::New(env, "setup: ring and buffers must be aligned and lie inside the mapping");
  const int64_t handle = TheRegistry().driver_queues.Add(std::move(queue));
  if (handle < 0) throw ErrnoError(env, ENOSPC, "driverQueueCreate");
  return Napi::Number::New(env, static_cast<double>(handle));
}

Napi::Value DriverQueueDestroy(const Napi::CallbackInfo& info) {
  DriverQueueArg(info[0]);
  const uint32_t handle = arg::Uint32(info[0], "queue");
  DropBuffer(info.Env(), BufferOf::kDriverQueueStats, handle);
  DropBuffer(info.Env(), BufferOf::kDriverArrivals, handle);
  TheRegistry().driver_queues.Remove(handle);
  return info.Env().Undefined();
}

Napi::Value DriverQueueStats(const Napi::CallbackInfo& info) {
  PeerTraffic& queue = DriverQueueArg(info[0]);
  return CachedBuffer(info.Env(), BufferOf::kDriverQueueStats, arg::Uint32(info[0], "queue"), &queue.counters,
                      DriverQueueCounters::kCount * sizeof(uint64_t));
}

Napi::Value DriverArrivalsOf(const Napi::CallbackInfo& info) {
  PeerTraffic& queue = DriverQueueArg(info[0]);
  return CachedBuffer(info.Env(), BufferOf::kDriverArrivals, arg::Uint32(info[0], "queue"), &queue.arrivals,
                      (1 + DriverArrivals::kMax) * sizeof(double));
}

Napi::Value DriverTemplate(const Napi::CallbackInfo& info) {
  PeerTraffic& queue = DriverQueueArg(info[0]);
  const auto frame = arg::Bytes(info[1], "frame");
  if (!queue.SetTemplate(frame.data(), static_cast<uint32_t>(frame.size())))
    throw Napi::RangeError::New(info.Env(),
                                "frame must be 60 bytes or longer and fit in a buffer behind its header");
  return info.Env().Undefined();
}

}  // namespace

void InitRingDriver(Napi::Env env, Napi::Object exports) {
  Export(env, exports, "driverQueueCreate", DriverQueueCreate);
  Export(env, exports, "driverQueueDestroy", DriverQueueDestroy);
  Export(env, exports, "driverQueueStats", DriverQueueStats);
  Export(env, exports, "driverArrivals", DriverArrivalsOf);
  Export(env, exports, "driverTemplate", DriverTemplate);
}

}  // namespace vpci
