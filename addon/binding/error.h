// SPDX-License-Identifier: BSD-3-Clause
// The one place where an errno becomes a JavaScript Error: `.code` ("ENOENT"), `.errno` (negative, as in
// Node), `.syscall`, and for paths `.path`; the message is built like Node's.
#pragma once
#include <errno.h>
#include <napi.h>
#include <uv.h>

#include <string>
#include <string_view>
#include <system_error>

namespace vpci {

// "ENOENT" of a positive errno: the C libraries other than glibc have no function for it.
inline std::string ErrnoName(int error) {
  // libuv does not know it; a tap interface that is gone answers with it.
  if (error == EBADFD) return "EBADFD";
  char name[64];
  return uv_err_name_r(-error, name, sizeof name);
}

// The Error for a positive or negative errno; the caller throws it.
inline Napi::Error ErrnoError(Napi::Env env, int error, const char* syscall, std::string_view path = {}) {
  const int positive = error < 0 ? -error : error;
  const std::string code = ErrnoName(positive);
  std::string message = code + ": " + std::generic_category().message(positive) + ", " + syscall;
  if (!path.empty()) message += " '" + std::string(path) + "'";

  Napi::Error result = Napi::Error::New(env, message);
  result.Set("code", Napi::String::New(env, code));
  result.Set("errno", Napi::Number::New(env, -positive));
  result.Set("syscall", Napi::String::New(env, syscall));
  if (!path.empty()) result.Set("path", Napi::String::New(env, std::string(path)));
  return result;
}

// Returns a result unchanged, or throws if it is a negative errno.
inline int Check(Napi::Env env, int result, const char* syscall, std::string_view path = {}) {
  if (result < 0) throw ErrnoError(env, result, syscall, path);
  return result;
}

}  // namespace vpci
