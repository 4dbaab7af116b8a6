// SPDX-License-Identifier: BSD-3-Clause
// Tables of guest memory.
#include <errno.h>

#include "binding/arguments.h"
#include "binding/error.h"
#include "binding/ring_registry.h"
#include "binding/ring_stuck.h"
#include "os/mapping.h"

namespace vpci {
namespace {

MemoryRegion RegionArg(const Napi::Value& value) {
  const Napi::Object region = arg::Object(value, "region");
  const auto handle = arg::Uint32(region.Get("mapping"), "region.mapping");
  const uint64_t offset = arg::Size(region.Get("offset"), "region.offset");
  const uint64_t size = arg::BigUint64(region.Get("size"), "region.size");
  return {arg::BigUint64(region.Get("gpa"), "region.gpa"), size, nullptr, handle, offset};
}

void Place(Napi::Env env, MemoryRegion& region) {
  Mapping mapping;
  Check(env, MappingGet(region.mapping, &mapping), "memoryCreate");
  if (region.mapping_offset > mapping.length || region.size > mapping.length - region.mapping_offset)
    throw Napi::RangeError::New(env, "region must lie inside its mapping");
  // Rings and buffers are written to; on a read-only mapping that would kill the process.
  if (!mapping.writable) throw ErrnoError(env, EACCES, "memoryCreate");
  region.base = mapping.base + region.mapping_offset;
}

Napi::Value MemoryCreate(const Napi::CallbackInfo& info) {
  const Napi::Array array = arg::Array(info[0], "regions");
  std::vector<MemoryRegion> regions;
  for (uint32_t i = 0; i < array.Length(); i++) regions.push_back(RegionArg(array.Get(i)));
  // Only once no more JavaScript runs that could unmap one.
  for (MemoryRegion& region : regions) Place(info.Env(), region);
  auto table = std::make_unique<MemoryTable>();
  if (!table->Build(std::move(regions)))
    throw Napi::RangeError::New(info.Env(), "regions must not be empty, overlap or wrap around");
  const int64_t handle = TheRegistry().memories.Add(std::move(table));
  if (handle < 0) throw ErrnoError(info.Env(), ENOSPC, "memoryCreate");
  return Napi::Number::New(info.Env(), static_cast<double>(handle));
}

Napi::Value MemoryDestroy(const Napi::CallbackInfo& info) {
  const uint32_t handle = arg::Uint32(info[0], "memory");
  ReapStuck();
  if (MemoryArg(info[0]).users.load() == 0)
    TheRegistry().memories.Remove(handle);
  else if (!OrphanTable(handle))
    throw ErrnoError(info.Env(), EBUSY, "memoryDestroy");
  return info.Env().Undefined();
}

}  // namespace

void InitRingMemory(Napi::Env env, Napi::Object exports) {
  Export(env, exports, "memoryCreate", MemoryCreate);
  Export(env, exports, "memoryDestroy", MemoryDestroy);
}

}  // namespace vpci
