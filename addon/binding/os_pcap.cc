// SPDX-License-Identifier: BSD-3-Clause
// Filter expressions for captures, compiled by libpcap.
#include <cstring>

#include "binding/arguments.h"
#include "binding/os.h"
#include "os/pcap_library.h"

namespace vpci {
namespace {

Napi::Error Failed(Napi::Env env, PcapResult result, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", result == PcapResult::kNoLibrary ? "ENOENT" : "EINVAL");
  error.Set("syscall", "pcap_compile");
  return error;
}

Napi::Value CompileFilter(const Napi::CallbackInfo& info) {
  const std::string expression = arg::String(info[0], "expression");
  const int snaplen = arg::Int32(info[1], "snaplen", 1);
  PcapProgram program;
  std::string message;
  const PcapResult result = PcapCompile(expression, snaplen, &program, &message);
  if (result != PcapResult::kCompiled) throw Failed(info.Env(), result, message);
  const size_t bytes = program.instructions.size() * sizeof(PcapInstruction);
  auto code = Napi::Uint8Array::New(info.Env(), bytes);
  std::memcpy(code.Data(), program.instructions.data(), bytes);
  auto lines = Napi::Array::New(info.Env(), program.lines.size());
  for (uint32_t i = 0; i < program.lines.size(); i++) lines.Set(i, program.lines[i]);
  Napi::Object compiled = Napi::Object::New(info.Env());
  compiled.Set("code", code);
  compiled.Set("lines", lines);
  return compiled;
}

}  // namespace

void InitOsPcap(Napi::Object exports) { Export<CompileFilter>(exports, "compileFilter"); }

}  // namespace vpci
