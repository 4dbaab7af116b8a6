// SPDX-License-Identifier: BSD-3-Clause
// The calling thread and the time-stamp counter for JavaScript.
#include <unistd.h>

#include "binding/arguments.h"
#include "binding/error.h"
#include "binding/os.h"
#include "os/terminal.h"
#include "os/thread.h"
#include "os/tsc.h"

namespace vpci {
namespace {

Napi::Value SetAffinityJs(const Napi::CallbackInfo& info) {
  const std::vector<int> cpus = arg::Ints(info[0], "cpus", 0, kMaxCpus - 1, kMaxCpus);
  Check(info.Env(), SetAffinity(cpus), "sched_setaffinity");
  return info.Env().Undefined();
}

Napi::Value SetAffinityOfAllJs(const Napi::CallbackInfo& info) {
  const std::vector<int> cpus = arg::Ints(info[0], "cpus", 0, kMaxCpus - 1, kMaxCpus);
  Check(info.Env(), SetAffinityOfAll(cpus), "sched_setaffinity");
  return info.Env().Undefined();
}

Napi::Value GetAffinityJs(const Napi::CallbackInfo& info) {
  std::vector<int> cpus;
  Check(info.Env(), GetAffinity(&cpus), "sched_getaffinity");
  Napi::Array result = Napi::Array::New(info.Env(), cpus.size());
  for (uint32_t i = 0; i < cpus.size(); i++) result.Set(i, Napi::Number::New(info.Env(), cpus[i]));
  return result;
}

Napi::Value ExitNow(const Napi::CallbackInfo& info) {
  const int code = arg::Int32(info[0], "code", 0, 255);
  RestoreTerminal();
  _exit(code);
}

Napi::Value SetThreadNameJs(const Napi::CallbackInfo& info) {
  Check(info.Env(), SetThreadName(arg::String(info[0], "name").c_str()), "prctl");
  return info.Env().Undefined();
}

// Called in poll loops, so it avoids the cost of the wrapper.
napi_value Rdtsc(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(ReadTsc()), &result);
  return result;
}

Napi::Value TscHzJs(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), TscHz()); }

Napi::Value TscTickHzJs(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), TscHz() / (1 << kTickShift));
}

}  // namespace

void InitOsThread(Napi::Object exports) {
  Export<SetAffinityJs>(exports, "setAffinity");
  Export<SetAffinityOfAllJs>(exports, "setAffinityOfAll");
  Export<GetAffinityJs>(exports, "getAffinity");
  Export<ExitNow>(exports, "exitNow");
  Export<SetThreadNameJs>(exports, "setThreadName");
  Export<TscHzJs>(exports, "tscHz");
  Export<TscTickHzJs>(exports, "tscTickHz");

  const Napi::Env env = exports.Env();
  napi_value rdtsc;
  NAPI_THROW_IF_FAILED_VOID(env,
                            napi_create_function(env, "rdtsc", NAPI_AUTO_LENGTH, Rdtsc, nullptr, &rdtsc));
  exports.Set("rdtsc", rdtsc);
}

}  // namespace vpci
