// SPDX-License-Identifier: BSD-3-Clause
// mbuf pools and vectors of mbuf ids.
#include <errno.h>

#include "binding/arguments.h"
#include "binding/buffers.h"
#include "binding/error.h"
#include "binding/ring_registry.h"
#include "os/mapping.h"

namespace vpci {
namespace {

constexpr uint32_t kMaxMbufs = 1u << 20;
// Offsets and lengths of a segment are 16 bits wide.
constexpr uint32_t kMaxBuffer = 65535;

Napi::Value PoolCreate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object o = arg::Object(info[0], "options");
  PoolOptions options;
  options.count = arg::Uint32(o.Get("count"), "count", 1, kMaxMbufs);
  options.headroom = arg::Uint32(o.Get("headroom"), "headroom", 0, 1024);
  if (options.headroom % 64) throw arg::OutOfRange(env, "headroom", "a multiple of 64");
  // The stride is rounded up to whole cache lines and must not exceed 64 KiB either.
  options.data_room =
      arg::Uint32(o.Get("dataRoom"), "dataRoom", 64, (kMaxBuffer / 64) * 64 - options.headroom);
  const size_t bytes = MbufPool::BytesNeeded(options);
  uint32_t mapping;
  Check(env, MappingAddAnonymous(bytes, arg::Bool(o.Get("hugepages"), "hugepages"), &mapping), "poolCreate");
  Mapping memory;
  MappingGet(mapping, &memory);
  auto entry = std::make_unique<PoolEntry>(
      PoolEntry{mapping, memory.base, bytes, std::make_unique<MbufPool>(memory.base, options)});
  const int64_t handle = TheRegistry().pools.Add(std::move(entry));
  if (handle < 0) {
    MappingRemove(mapping);
    throw ErrnoError(env, ENOSPC, "poolCreate");
  }
  return Napi::Number::New(env, static_cast<double>(handle));
}

Napi::Value PoolLayout(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  MbufPool& pool = *PoolArg(info[0]).pool;
  const auto set = [&](Napi::Object& o, const char* name, size_t n) {
    o.Set(name, Napi::Number::New(env, static_cast<double>(n)));
  };
  Napi::Object layout = Napi::Object::New(env);
  set(layout, "count", pool.count());
  set(layout, "stride", pool.stride());
  set(layout, "headroom", pool.headroom());
  set(layout, "dataRoom", pool.data_room());
  set(layout, "data", pool.OffsetOf(pool.data()));
  set(layout, "dataOff", pool.OffsetOf(pool.data_off()));
  set(layout, "dataLen", pool.OffsetOf(pool.data_len()));
  set(layout, "pktLen", pool.OffsetOf(pool.pkt_len()));
  set(layout, "next", pool.OffsetOf(pool.next()));
  set(layout, "olFlags", pool.OffsetOf(pool.ol_flags()));
  set(layout, "csumStart", pool.OffsetOf(pool.csum_start()));
  set(layout, "csumOffset", pool.OffsetOf(pool.csum_offset()));
  set(layout, "gsoSize", pool.OffsetOf(pool.gso_size()));
  set(layout, "hdrLen", pool.OffsetOf(pool.hdr_len()));
  return layout;
}

Napi::Value PoolBuffer(const Napi::CallbackInfo& info) {
  PoolEntry& entry = PoolArg(info[0]);
  return CachedBuffer(info.Env(), BufferOf::kPool, arg::Uint32(info[0], "pool"), entry.memory, entry.bytes);
}

Napi::Value PoolAvailable(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), PoolArg(info[0]).pool->available());
}

Napi::Value PoolDestroy(const Napi::CallbackInfo& info) {
  const uint32_t handle = arg::Uint32(info[0], "pool");
  PoolArg(info[0]);
  DropBuffer(info.Env(), BufferOf::kPool, handle);
  const auto entry = TheRegistry().pools.Remove(handle);
  if (entry) MappingRemove(entry->mapping);
  return info.Env().Undefined();
}

Napi::Value VectorCreate(const Napi::CallbackInfo& info) {
  const uint32_t capacity = arg::Uint32(info[1], "capacity", 1, MbufPool::kMaxVectorEntries);
  const int index = PoolArg(info[0]).pool->AddVector(capacity);
  if (index < 0) throw ErrnoError(info.Env(), ENOSPC, "vectorCreate");
  return Napi::Number::New(info.Env(),
                           (arg::Uint32(info[0], "pool") << kVectorBits) | static_cast<uint32_t>(index));
}

Napi::Value VectorOffset(const Napi::CallbackInfo& info) {
  const uint32_t handle = arg::Uint32(info[0], "vector");
  PoolEntry* entry = TheRegistry().pools.Get(handle >> kVectorBits);
  const uint32_t index = handle & ((1u << kVectorBits) - 1);
  if (!entry || index >= entry->pool->vector_count())
    throw Napi::RangeError::New(info.Env(), "no such vector");
  return Napi::Number::New(info.Env(),
                           static_cast<double>(entry->pool->OffsetOf(entry->pool->vector(index))));
}

}  // namespace

void InitRingPools(Napi::Env env, Napi::Object exports) {
  Export(env, exports, "poolCreate", PoolCreate);
  Export(env, exports, "poolLayout", PoolLayout);
  Export(env, exports, "poolBuffer", PoolBuffer);
  Export(env, exports, "poolAvailable", PoolAvailable);
  Export(env, exports, "poolDestroy", PoolDestroy);
  Export(env, exports, "vectorCreate", VectorCreate);
  Export(env, exports, "vectorOffset", VectorOffset);
}

}  // namespace vpci
