// SPDX-License-Identifier: BSD-3-Clause
// The system's libpcap, loaded when a filter is compiled: whoever uses no filter needs no libpcap.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace vpci {

// struct bpf_insn.
struct PcapInstruction {
  uint16_t code;
  uint8_t jt;
  uint8_t jf;
  uint32_t k;
};

struct PcapProgram {
  std::vector<PcapInstruction> instructions;
  // One line for each, as `tcpdump -d` prints it.
  std::vector<std::string> lines;
};

enum class PcapResult { kCompiled, kNoLibrary, kBadExpression };

// Compiles an expression of pcap-filter(7) for Ethernet frames of which `snaplen` bytes are captured. If that
// fails, `error` has libpcap's words, or the loader's. Control path; may block to resolve names.
PcapResult PcapCompile(const std::string& expression, int snaplen, PcapProgram* program, std::string* error);

}  // namespace vpci
