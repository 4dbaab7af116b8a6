// SPDX-License-Identifier: BSD-3-Clause
// DPDK's own hash: for each line "KEY TUPLE" in hexadecimal, what rte_softrss makes of it. The tuple is
// addresses and ports as in the packet; rte_softrss wants words of the host.
#include <rte_thash.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

static std::vector<uint8_t> Bytes(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

int main() {
  std::string key, tuple;
  while (std::cin >> key >> tuple) {
    std::vector<uint8_t> key_bytes = Bytes(key);
    const std::vector<uint8_t> bytes = Bytes(tuple);
    std::vector<uint32_t> words;
    for (size_t i = 0; i + 3 < bytes.size(); i += 4)
      words.push_back(uint32_t{bytes[i]} << 24 | bytes[i + 1] << 16 | bytes[i + 2] << 8 | bytes[i + 3]);
    // It reads one word of the key more than of the input.
    key_bytes.resize(key_bytes.size() + 4);
    std::printf("%u\n", rte_softrss(words.data(), static_cast<uint32_t>(words.size()), key_bytes.data()));
  }
}
