// SPDX-License-Identifier: BSD-3-Clause
#include "binding/arguments.h"
#include "binding/module.h"
#include "binding/ring_registry.h"

namespace vpci {

Registry& TheRegistry() {
  static Registry& registry = *new Registry;
  return registry;
}

namespace {

Napi::Error NoSuch(const Napi::Value& value, const char* what) {
  return Napi::RangeError::New(value.Env(),
                               std::string("no such ") + what + ": " + value.ToString().Utf8Value());
}

template <typename T>
T& Found(T* object, const Napi::Value& value, const char* what) {
  if (!object) throw NoSuch(value, what);
  return *object;
}

}  // namespace

DeviceQueue& QueueArg(const Napi::Value& v) {
  return Found(TheRegistry().Queue(arg::Uint32(v, "queue")), v, "queue");
}
MemoryTable& MemoryArg(const Napi::Value& v) {
  return Found(TheRegistry().memories.Get(arg::Uint32(v, "memory")), v, "memory");
}
PoolEntry& PoolArg(const Napi::Value& v) {
  return Found(TheRegistry().pools.Get(arg::Uint32(v, "pool")), v, "pool");
}
PeerTraffic& DriverQueueArg(const Napi::Value& v) {
  return Found(TheRegistry().driver_queues.Get(arg::Uint32(v, "queue")), v, "driver queue");
}
TapQueue& TapQueueArg(const Napi::Value& v) {
  return Found(TheRegistry().taps.Get(arg::Uint32(v, "queue")), v, "tap queue");
}

void InitRing(Napi::Env env, Napi::Object exports) {
  InitRingHot(env, exports);
  InitRingMemory(env, exports);
  InitRingPools(env, exports);
  InitRingQueues(env, exports);
  InitRingSections(env, exports);
  InitRingDriver(env, exports);
  InitRingTaps(env, exports);
  InitRingCapture(env, exports);
  InitRingLayouts(env, exports);
}

}  // namespace vpci
