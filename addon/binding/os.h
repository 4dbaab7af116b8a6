// SPDX-License-Identifier: BSD-3-Clause
// The groups of `os` functions; each adds its own to the exports.
#pragma once
#include <napi.h>

namespace vpci {

// Adds one function to the exports under its name.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void Export(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<function>(exports.Env(), name));
}

void InitOsMemory(Napi::Object exports);
void InitOsMmio(Napi::Object exports);
void InitOsPacket(Napi::Object exports);
void InitOsPcap(Napi::Object exports);
void InitOsSocket(Napi::Object exports);
void InitOsEvent(Napi::Object exports);
void InitOsIoctl(Napi::Object exports);
void InitOsTap(Napi::Object exports);
void InitOsThread(Napi::Object exports);
void InitOsWait(Napi::Object exports);
void InitOsWriter(Napi::Object exports);

// `watchFd`, see os_watch.cc.
Napi::Value WatchFd(const Napi::CallbackInfo& info);

}  // namespace vpci
