// SPDX-License-Identifier: BSD-3-Clause
// The parts of the Node-API surface. Each adds its functions to the module's exports; src/native.ts is the
// contract.
#pragma once
#include <napi.h>

namespace vpci {
void InitOs(Napi::Env env, Napi::Object exports);
void InitRing(Napi::Env env, Napi::Object exports);
}  // namespace vpci
