// SPDX-License-Identifier: BSD-3-Clause
// Reads a fuzzer's input from the front, and zeros once it is used up, so that a prefix of an input means the
// same as the whole up to that point, and seeds can be written by hand.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), left_(size) {}

  template <typename T>
  T Take() {
    T value{};
    size_t n = std::min(sizeof value, left_);
    std::memcpy(&value, at_, n);
    at_ += n;
    left_ -= n;
    return value;
  }
  uint8_t Byte() { return Take<uint8_t>(); }
  // 0..limit-1
  uint32_t Below(uint32_t limit) { return limit <= 256 ? Byte() % limit : Take<uint16_t>() % limit; }

  bool empty() const { return left_ == 0; }
  size_t left() const { return left_; }
  const uint8_t* data() const { return at_; }

 private:
  const uint8_t* at_;
  size_t left_;
};

}  // namespace fuzz
