// SPDX-License-Identifier: BSD-3-Clause
#include "binding/buffers.h"

#include <string>
#include <unordered_map>

namespace vpci {
namespace {

// The addon's state in one environment.
struct Instance {
  std::unordered_map<uint64_t, Napi::Reference<Napi::ArrayBuffer>> buffers;
};

Instance& InstanceOf(Napi::Env env) {
  auto* instance = env.GetInstanceData<Instance>();
  if (!instance) {
    instance = new Instance;
    env.SetInstanceData(instance);
  }
  return *instance;
}

// `number` is below 2^24: the window of a mapping, of which a 48-bit address space has no more.
uint64_t Key(BufferOf what, uint32_t handle, uint32_t number) {
  return uint64_t{number} << 40 | uint64_t{static_cast<uint32_t>(what)} << 32 | handle;
}

// Node 20 creates external ArrayBuffers through Buffer, whose limit is 4 GiB (buffer.constants.MAX_LENGTH).
constexpr size_t kMaxBuffer = size_t{1} << 32;

}  // namespace

Napi::ArrayBuffer CachedBuffer(Napi::Env env, BufferOf what, uint32_t handle, void* base, size_t length,
                               uint32_t number) {
  auto& buffers = InstanceOf(env).buffers;
  const auto found = buffers.find(Key(what, handle, number));
  if (found != buffers.end()) return found->second.Value();
  if (length > kMaxBuffer) {
    throw Napi::RangeError::New(env,
                                std::to_string(length) + " bytes do not fit into an ArrayBuffer (4 GiB)");
  }
  auto buffer = Napi::ArrayBuffer::New(env, base, length);
  buffers.emplace(Key(what, handle, number), Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1));
  return buffer;
}

void DropBuffer(Napi::Env env, BufferOf what, uint32_t handle, uint32_t number) {
  auto& buffers = InstanceOf(env).buffers;
  const auto found = buffers.find(Key(what, handle, number));
  if (found == buffers.end()) return;
  found->second.Value().Detach();
  buffers.erase(found);
}

}  // namespace vpci
