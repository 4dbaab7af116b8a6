// SPDX-License-Identifier: BSD-3-Clause
// The one place where JavaScript values are checked and converted. Each function takes a value and the name
// to use in its error: a TypeError for the wrong type, a RangeError for a value out of range. A missing
// argument is `undefined`.
#pragma once
#include <napi.h>

#include <climits>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vpci::arg {

// Number.MAX_SAFE_INTEGER
inline constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;

inline Napi::Error WrongKind(const Napi::Value& value, const char* name, const char* wanted) {
  static constexpr const char* kKinds[] = {"undefined", "null",   "a boolean",  "a number",    "a string",
                                           "a symbol",  "object", "a function", "an external", "a bigint"};
  const auto kind = static_cast<size_t>(value.Type());
  const char* got = kind < std::size(kKinds) ? kKinds[kind] : "something else";
  return Napi::TypeError::New(value.Env(), std::string(name) + " must be " + wanted + ", not " + got);
}

inline Napi::Error OutOfRange(Napi::Env env, const char* name, const std::string& wanted) {
  return Napi::RangeError::New(env, std::string(name) + " must be " + wanted);
}

// An integer from min to max inclusive, at most 2^53 - 1 in magnitude.
inline int64_t Integer(const Napi::Value& value, const char* name, int64_t min, int64_t max) {
  if (!value.IsNumber()) throw WrongKind(value, name, "an integer");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (std::trunc(number) != number || number < static_cast<double>(min) ||
      number > static_cast<double>(max)) {
    throw OutOfRange(value.Env(), name,
                     "an integer from " + std::to_string(min) + " to " + std::to_string(max) + ", not " +
                         value.ToString().Utf8Value());
  }
  return static_cast<int64_t>(number);
}

inline int32_t Int32(const Napi::Value& value, const char* name, int32_t min = INT32_MIN,
                     int32_t max = INT32_MAX) {
  return static_cast<int32_t>(Integer(value, name, min, max));
}

inline uint32_t Uint32(const Napi::Value& value, const char* name, uint32_t min = 0,
                       uint32_t max = UINT32_MAX) {
  return static_cast<uint32_t>(Integer(value, name, min, max));
}

// A count of bytes or an offset, as a Number.
inline uint64_t Size(const Napi::Value& value, const char* name, int64_t min = 0) {
  return static_cast<uint64_t>(Integer(value, name, min, kMaxSafeInteger));
}

inline int Fd(const Napi::Value& value, const char* name) { return Int32(value, name, 0); }

// A BigInt from 0 to 2^64 - 1.
inline uint64_t BigUint64(const Napi::Value& value, const char* name) {
  if (!value.IsBigInt()) throw WrongKind(value, name, "a bigint");
  bool lossless = false;
  const uint64_t number = value.As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) throw OutOfRange(value.Env(), name, "a bigint from 0 to 2^64 - 1");
  return number;
}

// The low 64 bits of a non-negative BigInt: virtio feature sets are wider, but the rings use none above bit
// 63.
inline uint64_t Features(const Napi::Value& value, const char* name) {
  if (!value.IsBigInt()) throw WrongKind(value, name, "a bigint");
  bool lossless = false;
  return value.As<Napi::BigInt>().Uint64Value(&lossless);
}

inline bool Bool(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) throw WrongKind(value, name, "a boolean");
  return value.As<Napi::Boolean>();
}

// UTF-8 text, not empty and without NUL, so that a system call reads the same text.
inline std::string String(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw WrongKind(value, name, "a string");
  std::string text = value.As<Napi::String>().Utf8Value();
  if (text.empty() || text.find('\0') != std::string::npos) {
    throw OutOfRange(value.Env(), name, "a string that is not empty and has no NUL in it");
  }
  return text;
}

inline Napi::Function Function(const Napi::Value& value, const char* name) {
  if (!value.IsFunction()) throw WrongKind(value, name, "a function");
  return value.As<Napi::Function>();
}

inline Napi::Object Object(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) throw WrongKind(value, name, "an object");
  return value.As<Napi::Object>();
}

inline Napi::Array Array(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) throw WrongKind(value, name, "an array");
  return value.As<Napi::Array>();
}

// The bytes of a Uint8Array (a Buffer is one); valid until JavaScript runs again.
inline std::span<uint8_t> Bytes(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw WrongKind(value, name, "a Uint8Array");
  }
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ElementLength()};
}

// At most `most` integers from min to max.
inline std::vector<int> Ints(const Napi::Value& value, const char* name, int min, int max, uint32_t most) {
  const Napi::Array array = Array(value, name);
  if (array.Length() > most) {
    throw OutOfRange(value.Env(), name, "at most " + std::to_string(most) + " long");
  }
  std::vector<int> numbers;
  const std::string element = std::string("an element of ") + name;
  for (uint32_t i = 0; i < array.Length(); i++) {
    numbers.push_back(Int32(array.Get(i), element.c_str(), min, max));
  }
  return numbers;
}

}  // namespace vpci::arg
