// SPDX-License-Identifier: BSD-3-Clause
// The one place where an errno becomes a JavaScript Error: `.code` ("ENOENT"), `.errno` (negative, as in
// Node), `.syscall`, and for paths `.path`; the message is built like Node's.
#pragma once
#include <napi.h>
#include <string.h>

#include <string>
#include <string_view>

namespace vpci {

// The Error for a positive or negative errno; the caller throws it.
inline Napi::Error ErrnoError(Napi::Env env, int error, const char* syscall, std::string_view path = {}) {
  const int positive = error < 0 ? -error : error;
  const char* name = strerrorname_np(positive);
  const std::string code = name ? std::string(name) : std::to_string(positive);
  const char* text = strerrordesc_np(positive);
  std::string message = code + ": " + (text ? text : "Unknown error") + ", " + syscall;
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
