// SPDX-License-Identifier: BSD-3-Clause
// Register access, read latency and comparison of mappings for JavaScript.
#include <string>

#include "binding/arguments.h"
#include "binding/os.h"
#include "os/mapping.h"
#include "os/mmio.h"

namespace vpci {
namespace {

Mapping Get(const Napi::Value& value) {
  const uint32_t handle = arg::Uint32(value, "mapping");
  Mapping mapping;
  if (MappingGet(handle, &mapping) == 0) return mapping;
  throw Napi::RangeError::New(value.Env(), "mapping " + std::to_string(handle) + " does not exist");
}

// The address of `length` bytes at the given offset of a mapping; all multiples of `unit`.
uint8_t* Range(const Napi::Value& mapping, const Napi::Value& at, uint64_t length, uint64_t unit) {
  const Mapping found = Get(mapping);
  const uint64_t offset = arg::Size(at, "offset");
  if (offset % unit != 0 || length % unit != 0) {
    throw arg::OutOfRange(mapping.Env(), "offset and length", "multiples of " + std::to_string(unit));
  }
  if (offset > found.length || length > found.length - offset) {
    throw arg::OutOfRange(mapping.Env(), "offset and length",
                          "inside the mapping of " + std::to_string(found.length) + " bytes");
  }
  return found.base + offset;
}

uint32_t Width(const Napi::Value& value) {
  const uint32_t width = arg::Uint32(value, "width", 1, 4);
  if (width == 3) throw arg::OutOfRange(value.Env(), "width", "1, 2 or 4");
  return width;
}

Napi::Value Address(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(reinterpret_cast<uintptr_t>(Get(info[0]).base)));
}

Napi::Value Read(const Napi::CallbackInfo& info) {
  const uint32_t width = Width(info[2]);
  return Napi::Number::New(info.Env(), MmioRead(Range(info[0], info[1], width, width), width));
}

Napi::Value Write(const Napi::CallbackInfo& info) {
  const uint32_t width = Width(info[2]);
  MmioWrite(Range(info[0], info[1], width, width), width, arg::Uint32(info[3], "value"));
  return info.Env().Undefined();
}

Napi::Value ReadAtomic(const Napi::CallbackInfo& info) {
  constexpr uint32_t kWidth = sizeof(uint32_t);
  return Napi::Number::New(info.Env(), AtomicRead(Range(info[0], info[1], kWidth, kWidth)));
}

Napi::Value WriteAtomic(const Napi::CallbackInfo& info) {
  constexpr uint32_t kWidth = sizeof(uint32_t);
  AtomicWrite(Range(info[0], info[1], kWidth, kWidth), arg::Uint32(info[2], "value"));
  return info.Env().Undefined();
}

Napi::Value Latency(const Napi::CallbackInfo& info) {
  const uint64_t length = arg::Size(info[2], "length", kLineBytes);
  const uint32_t rounds = arg::Uint32(info[3], "rounds", 1, 1'000'000);
  return Napi::Number::New(info.Env(),
                           ReadLatency(Range(info[0], info[1], length, kLineBytes), length, rounds));
}

Napi::Value Equals(const Napi::CallbackInfo& info) {
  const uint64_t length = arg::Size(info[4], "length", sizeof(uint64_t));
  const uint8_t* a = Range(info[0], info[1], length, sizeof(uint64_t));
  return Napi::Boolean::New(info.Env(),
                            SameBytes(a, Range(info[2], info[3], length, sizeof(uint64_t)), length));
}

}  // namespace

void InitOsMmio(Napi::Object exports) {
  Export<Address>(exports, "mappingAddress");
  Export<Read>(exports, "mmioRead");
  Export<Write>(exports, "mmioWrite");
  Export<ReadAtomic>(exports, "atomicRead");
  Export<WriteAtomic>(exports, "atomicWrite");
  Export<Latency>(exports, "readLatency");
  Export<Equals>(exports, "mappingEquals");
}

}  // namespace vpci
