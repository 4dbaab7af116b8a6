// SPDX-License-Identifier: BSD-3-Clause
// Queues in the device role: control path, and message chains for the device model's control queue.
#include <errno.h>

#include "binding/arguments.h"
#include "binding/buffers.h"
#include "binding/error.h"
#include "binding/ring_registry.h"
#include "binding/ring_stuck.h"
#include "burst/announce.h"
#include "os/mapping.h"
#include "ring/message_queue.h"

namespace vpci {
namespace {

QueueRole RoleArg(const Napi::Value& value) {
  const std::string role = arg::String(value, "role");
  if (role == "rx") return QueueRole::kRx;
  if (role == "tx") return QueueRole::kTx;
  throw arg::OutOfRange(value.Env(), "role", "'rx' or 'tx'");
}

// A retired queue, or a new one.
uint32_t TakeQueue(Napi::Env env) {
  auto& queues = TheRegistry().queues;
  ReapStuck();
  int64_t handle = queues.Renew();
  if (handle < 0) handle = queues.Add(std::make_unique<DeviceQueue>());
  if (handle < 0) throw ErrnoError(env, ENOSPC, "queueCreate");
  return static_cast<uint32_t>(handle);
}

Napi::Value QueueCreate(const Napi::CallbackInfo& info) {
  const QueueRole role = RoleArg(info[0]);
  const uint32_t handle = TakeQueue(info.Env());
  DeviceQueue& q = *TheRegistry().Queue(handle);
  q.role = role;
  q.last_avail_idx = 0;
  q.announce.store(0);
  q.counters = QueueCounters{};
  return Napi::Number::New(info.Env(), handle);
}

// The words of a driver area; returns the handle of its mapping.
uint32_t TakeWords(const Napi::Object& o, RingSetup* setup) {
  setup->serial = static_cast<uint16_t>(arg::Uint32(o.Get("serial"), "serial", 0, 0xffff));
  const uint32_t offset = arg::Uint32(o.Get("offset"), "offset");
  const bool gated = arg::Bool(o.Get("gated"), "gated");
  const uint32_t handle = arg::Uint32(o.Get("mapping"), "mapping");
  Mapping mapping;
  Check(o.Env(), MappingGet(handle, &mapping), "queueStart");
  if (!mapping.writable) throw ErrnoError(o.Env(), EACCES, "queueStart");
  const size_t align = gated ? alignof(DriverArea) : alignof(PositionWords);
  const size_t bytes = gated ? sizeof(DriverArea) : sizeof(PositionWords);
  if (offset % align != 0 || offset > mapping.length || mapping.length - offset < bytes)
    throw arg::OutOfRange(o.Env(), "offset",
                          "a multiple of " + std::to_string(align) + " inside the mapping");
  auto* area = reinterpret_cast<DriverArea*>(mapping.base + offset);
  setup->position = &area->position;
  if (gated) setup->gate = &area->gate;
  return handle;
}

Napi::Value QueueStart(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object o = arg::Object(info[1], "setup");
  RingSetup setup;
  setup.desc = arg::BigUint64(o.Get("desc"), "desc");
  setup.avail = arg::BigUint64(o.Get("avail"), "avail");
  setup.used = arg::BigUint64(o.Get("used"), "used");
  setup.size = arg::Uint32(o.Get("size"), "size");
  setup.last_avail_idx = static_cast<uint16_t>(arg::Uint32(o.Get("lastAvailIdx"), "lastAvailIdx", 0, 0xffff));
  setup.features = arg::Features(o.Get("features"), "features");
  setup.notify_fd = arg::Int32(o.Get("notifyFd"), "notifyFd", -1);
  const Napi::Value want_kicks = o.Get("wantKicks");
  setup.want_kicks = !want_kicks.IsUndefined() && arg::Bool(want_kicks, "wantKicks");
  const Napi::Value words = o.Get("words");
  const Napi::Value memory = o.Get("memory");
  // Last: a getter of `setup` may destroy any of them.
  const uint32_t place_mapping = words.IsUndefined() ? 0 : TakeWords(arg::Object(words, "words"), &setup);
  setup.memory = &MemoryArg(memory);
  DeviceQueue& q = QueueArg(info[0]);
  ReapStuck();
  switch (q.Start(setup)) {
    case StartError::kNone:
      q.place_mapping = place_mapping;
      return env.Undefined();
    case StartError::kBadSize:
      throw ErrnoError(env, EINVAL,
                       "queueStart: a ring has 1 to 32768 entries, a split ring a power of two of them");
    case StartError::kMisaligned:
      throw ErrnoError(env, EINVAL, "queueStart: a part of the ring is misaligned");
    case StartError::kOutsideMemory:
      throw ErrnoError(env, ERANGE, "queueStart: a part of the ring lies outside the peer's memory");
    case StartError::kBadIndex:
      throw ErrnoError(env, EINVAL, "queueStart: the position lies outside the packed ring");
    case StartError::kRunning:
      throw ErrnoError(env, EBUSY, "queueStart: the queue is running");
    case StartError::kStuck:
      throw ErrnoError(env, EBUSY, "queueStart: a burst of the queue has not come back");
  }
  return env.Undefined();
}

Napi::Value QueueQuiesce(const Napi::CallbackInfo& info) {
  DeviceQueue& q = QueueArg(info[0]);
  const bool impatient = !info[1].IsUndefined();
  const int32_t last = q.Quiesce(impatient ? arg::Uint32(info[1], "patience") : DeviceQueue::kPatienceMs);
  if (last == DeviceQueue::kStuck) KeepForStuck(q);
  return Napi::Number::New(info.Env(), last);
}

Napi::Value QueueStateOf(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<uint32_t>(QueueArg(info[0]).state.load()));
}

Napi::Value QueueAnnounce(const Napi::CallbackInfo& info) {
  uint64_t value = 0;
  if (!info[1].IsNull()) {
    const auto mac = arg::Bytes(info[1], "mac");
    if (mac.size() != 6) throw arg::OutOfRange(info.Env(), "mac", "6 bytes long");
    value = Announcement(mac.data());
  }
  QueueArg(info[0]).announce.store(value);
  return info.Env().Undefined();
}

Napi::Value QueueStats(const Napi::CallbackInfo& info) {
  QueueCounters& counters = QueueArg(info[0]).counters;
  return CachedBuffer(info.Env(), BufferOf::kQueueStats, arg::Uint32(info[0], "queue"), &counters,
                      QueueCounters::kCount * sizeof(uint64_t));
}

Napi::Value QueueSlots(const Napi::CallbackInfo& info) {
  InPlaceSlots& slots = QueueArg(info[0]).burst.slots;
  return CachedBuffer(info.Env(), BufferOf::kQueueSlots, arg::Uint32(info[0], "queue"), &slots, sizeof slots);
}

Napi::Value QueueDestroy(const Napi::CallbackInfo& info) {
  DeviceQueue& q = QueueArg(info[0]);
  const bool stuck = q.Quiesce() == DeviceQueue::kStuck;
  if (stuck) KeepForStuck(q);
  DropBuffer(info.Env(), BufferOf::kQueueStats, arg::Uint32(info[0], "queue"));
  DropBuffer(info.Env(), BufferOf::kQueueSlots, arg::Uint32(info[0], "queue"));
  const uint32_t handle = arg::Uint32(info[0], "queue");
  if (stuck)
    TheRegistry().queues.Abandon(handle);
  else
    TheRegistry().queues.Retire(handle);
  return info.Env().Undefined();
}

Napi::Object SegmentObject(Napi::Env env, const VringDesc& d) {
  Napi::Object o = Napi::Object::New(env);
  o.Set("address", Napi::BigInt::New(env, uint64_t{d.addr}));
  o.Set("bytes", Napi::Number::New(env, d.len));
  o.Set("writable", Napi::Boolean::New(env, (d.flags & VRING_DESC_F_WRITE) != 0));
  return o;
}

Napi::Object ChainObject(Napi::Env env, const MessageChain& chain) {
  Napi::Array segments = Napi::Array::New(env, chain.descriptors.size());
  for (uint32_t i = 0; i < chain.descriptors.size(); i++)
    segments.Set(i, SegmentObject(env, chain.descriptors[i]));
  Napi::Object o = Napi::Object::New(env);
  o.Set("head", Napi::Number::New(env, chain.head));
  o.Set("segments", segments);
  return o;
}

Napi::Value ChainTake(const Napi::CallbackInfo& info) {
  MessageChain chain;
  switch (TakeMessage(QueueArg(info[0]), &chain)) {
    case MessageTaken::kChain:
      return ChainObject(info.Env(), chain);
    case MessageTaken::kBroken:
      throw ErrnoError(info.Env(), EPROTO, "chainTake");
    case MessageTaken::kNone:
      break;
  }
  return info.Env().Null();
}

Napi::Value ChainReturn(const Napi::CallbackInfo& info) {
  DeviceQueue& q = QueueArg(info[0]);
  const auto head = static_cast<uint16_t>(arg::Uint32(info[1], "head", 0, 0xffff));
  const uint32_t written = arg::Uint32(info[2], "written");
  return Napi::Boolean::New(info.Env(), ReturnMessage(q, head, written));
}

}  // namespace

void InitRingQueues(Napi::Env env, Napi::Object exports) {
  Export(env, exports, "queueCreate", QueueCreate);
  Export(env, exports, "queueStart", QueueStart);
  Export(env, exports, "queueQuiesce", QueueQuiesce);
  Export(env, exports, "queueState", QueueStateOf);
  Export(env, exports, "queueAnnounce", QueueAnnounce);
  Export(env, exports, "queueStats", QueueStats);
  Export(env, exports, "queueSlots", QueueSlots);
  Export(env, exports, "queueDestroy", QueueDestroy);
  Export(env, exports, "chainTake", ChainTake);
  Export(env, exports, "chainReturn", ChainReturn);
}

}  // namespace vpci
