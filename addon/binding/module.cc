// SPDX-License-Identifier: BSD-3-Clause
#include "binding/module.h"

namespace {
Napi::Object Init(Napi::Env env, Napi::Object exports) {
  vpci::InitOs(env, exports);
  vpci::InitRing(env, exports);
  return exports;
}
}  // namespace

NODE_API_MODULE(vhost_pci, Init)
