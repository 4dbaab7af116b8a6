// SPDX-License-Identifier: BSD-3-Clause
// Arguments and results of the functions that poll loops call: small integers, no exceptions.
#pragma once
#include <node_api.h>

#include <cstddef>
#include <cstdint>

#include "binding/ring_registry.h"

namespace vpci {

template <size_t N>
struct Args {
  uint32_t v[N] = {};
  Args(napi_env env, napi_callback_info info) {
    napi_value argv[N];
    size_t argc = N;
    napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
    for (size_t i = 0; i < N; i++) napi_get_value_uint32(env, argv[i], &v[i]);
  }
  uint32_t operator[](size_t i) const { return v[i]; }
};

inline napi_value Number(napi_env env, uint32_t n) {
  napi_value result;
  napi_create_uint32(env, n, &result);
  return result;
}

struct Vector {
  MbufPool* pool = nullptr;
  uint32_t* ids = nullptr;
  uint32_t capacity = 0;

  explicit Vector(uint32_t handle) {
    PoolEntry* entry = TheRegistry().pools.Get(handle >> kVectorBits);
    uint32_t index = handle & ((1u << kVectorBits) - 1);
    if (!entry || index >= entry->pool->vector_count()) return;
    pool = entry->pool.get();
    ids = pool->vector(index);
    capacity = pool->vector_capacity(index);
  }
};

}  // namespace vpci
