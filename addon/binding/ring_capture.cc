// SPDX-License-Identifier: BSD-3-Clause
// Captures: their beginning and end, and what the bursts of a captured queue call. docs/capture.md.
#include <errno.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "binding/arguments.h"
#include "binding/buffers.h"
#include "binding/error.h"
#include "binding/hot.h"
#include "binding/ring_registry.h"
#include "os/mapping.h"
#include "packet/capture_point.h"

namespace vpci {
namespace {

Napi::Value CaptureWords(const Napi::CallbackInfo& info) {
  return CachedBuffer(info.Env(), BufferOf::kCaptureWords, 0, g_capture_words, sizeof g_capture_words);
}

uint32_t PointArg(const Napi::Value& value) { return arg::Uint32(value, "point", 0, kCapturePoints - 1); }

// The instructions as they lie in memory.
CaptureFilter FilterArg(const Napi::Value& value) {
  const std::span<uint8_t> bytes = arg::Bytes(value, "filter");
  std::vector<BpfInstruction> program(bytes.size() / sizeof(BpfInstruction));
  std::memcpy(program.data(), bytes.data(), program.size() * sizeof(BpfInstruction));
  CaptureFilter filter;
  if (bytes.size() % sizeof(BpfInstruction) != 0 || !filter.Set(program))
    throw ErrnoError(value.Env(), EINVAL, "captureBegin");
  return filter;
}

Napi::Value CaptureBegin(const Napi::CallbackInfo& info) {
  const uint32_t point = PointArg(info[0]);
  const Napi::Object setup = arg::Object(info[1], "setup");
  const uint32_t handle = arg::Uint32(setup.Get("mapping"), "mapping");
  const uint64_t offset = arg::Size(setup.Get("offset"), "offset");
  const uint32_t bytes = arg::Uint32(setup.Get("bytes"), "bytes", kMinCaptureRing, kMaxCaptureRing);
  const uint32_t snaplen = arg::Uint32(setup.Get("snaplen"), "snaplen", 1);
  CaptureFilter filter = FilterArg(setup.Get("filter"));
  Mapping mapping;
  if (MappingGet(handle, &mapping) < 0) throw ErrnoError(info.Env(), EINVAL, "captureBegin");
  if (!std::has_single_bit(bytes) || offset % kCaptureData != 0 || offset > mapping.length ||
      mapping.length - offset < uint64_t{kCaptureData} + bytes)
    throw ErrnoError(info.Env(), ERANGE, "captureBegin");
  auto queue = std::make_unique<CaptureQueue>(mapping.base + offset, bytes, snaplen, std::move(filter));
  if (!CapturePointOf(point).Begin(point, std::move(queue)))
    throw ErrnoError(info.Env(), EBUSY, "captureBegin");
  return info.Env().Undefined();
}

Napi::Value CountsObject(Napi::Env env, const CaptureCounts& counts) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("accepted", static_cast<double>(counts.accepted));
  result.Set("filtered", static_cast<double>(counts.filtered));
  result.Set("dropped", static_cast<double>(counts.dropped));
  return result;
}

Napi::Value CaptureEnd(const Napi::CallbackInfo& info) {
  const uint32_t point = PointArg(info[0]);
  CaptureCounts counts;
  if (!CapturePointOf(point).End(point, &counts)) return info.Env().Null();
  return CountsObject(info.Env(), counts);
}

Napi::Value CaptureCountsJs(const Napi::CallbackInfo& info) {
  const CaptureQueue* queue = CapturePointOf(PointArg(info[0])).queue();
  return CountsObject(info.Env(), queue ? queue->counts() : CaptureCounts{});
}

napi_value CaptureReceived(napi_env env, napi_callback_info info) {
  Args<3> a(env, info);
  Vector vector(a[1]);
  const uint32_t n = std::min(a[2], vector.capacity);
  if (n > 0) CapturePointOf(a[0]).Received(*vector.pool, vector.ids, n);
  return nullptr;
}

napi_value CaptureSending(napi_env env, napi_callback_info info) {
  Args<4> a(env, info);
  Vector vector(a[1]);
  const uint32_t to = std::min(a[3], vector.capacity);
  const bool some = a[2] < to;
  if (some) CapturePointOf(a[0]).Sending(*vector.pool, vector.ids + a[2], to - a[2]);
  return nullptr;
}

napi_value CaptureSent(napi_env env, napi_callback_info info) {
  Args<2> a(env, info);
  CapturePointOf(a[0]).Sent(a[1]);
  return nullptr;
}

}  // namespace

void InitRingCapture(Napi::Env env, Napi::Object exports) {
  Export(env, exports, "captureWords", CaptureWords);
  Export(env, exports, "captureBegin", CaptureBegin);
  Export(env, exports, "captureEnd", CaptureEnd);
  Export(env, exports, "captureCounts", CaptureCountsJs);
  const napi_property_descriptor hot[] = {
      {"captureReceived", nullptr, CaptureReceived, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"captureSending", nullptr, CaptureSending, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"captureSent", nullptr, CaptureSent, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, std::size(hot), hot);
}

}  // namespace vpci
