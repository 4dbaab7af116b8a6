// SPDX-License-Identifier: BSD-3-Clause
#include "binding/module.h"
#include "binding/os.h"

namespace vpci {

void InitOs(Napi::Env, Napi::Object exports) {
  InitOsMemory(exports);
  InitOsMmio(exports);
  InitOsPacket(exports);
  InitOsPcap(exports);
  InitOsSocket(exports);
  InitOsEvent(exports);
  InitOsIoctl(exports);
  InitOsTap(exports);
  InitOsThread(exports);
  InitOsWait(exports);
  InitOsWriter(exports);
}

}  // namespace vpci
