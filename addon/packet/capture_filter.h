// SPDX-License-Identifier: BSD-3-Clause
// Classic BPF programs, which choose the packets of a capture and how much of each is kept. A program comes
// from another process: it is checked before it runs. Jumps lead forwards only, so that every program ends.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace vpci {

// struct bpf_insn of libpcap.
struct BpfInstruction {
  uint16_t code;
  uint8_t jt;
  uint8_t jf;
  uint32_t k;
};

class CaptureFilter {
 public:
  // The kernel's limit, BPF_MAXINSNS.
  static constexpr uint32_t kMaxInstructions = 4096;

  // False, and the filter stays as it was, if the program is invalid. An empty program takes every packet
  // whole.
  bool Set(std::span<const BpfInstruction> program);

  bool empty() const { return program_.empty(); }

  // Bytes to keep of a packet of `length` bytes, of which `present` are here; 0: it is not chosen.
  uint32_t Run(const uint8_t* packet, uint32_t present, uint32_t length) const;

 private:
  std::vector<BpfInstruction> program_;
};

}  // namespace vpci
