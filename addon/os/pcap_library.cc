// SPDX-License-Identifier: BSD-3-Clause
#include "os/pcap_library.h"

#include <dlfcn.h>

namespace vpci {
namespace {

constexpr int kEthernet = 1;
constexpr uint32_t kUnknownNetmask = 0xffffffff;

// Of <pcap/pcap.h>, which need not be installed.
struct BpfProgram {
  unsigned count;
  PcapInstruction* instructions;
};

struct Library {
  void* (*open_dead)(int, int);
  int (*compile)(void*, BpfProgram*, const char*, int, uint32_t);
  void (*free_code)(BpfProgram*);
  char* (*error)(void*);
  void (*close)(void*);
  char* (*image)(const PcapInstruction*, int);
  std::string missing;

  Library() {
    void* handle = nullptr;
    // Debian's name, and everybody else's.
    for (const char* name : {"libpcap.so.0.8", "libpcap.so.1"})
      if (!handle) handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
      missing = dlerror();
      return;
    }
    Find(handle, "pcap_open_dead", &open_dead);
    Find(handle, "pcap_compile", &compile);
    Find(handle, "pcap_freecode", &free_code);
    Find(handle, "pcap_geterr", &error);
    Find(handle, "pcap_close", &close);
    Find(handle, "bpf_image", &image);
  }

  template <typename Function>
  void Find(void* handle, const char* name, Function* function) {
    *function = reinterpret_cast<Function>(dlsym(handle, name));
    if (!*function) missing = std::string("libpcap has no ") + name;
  }
};

}  // namespace

PcapResult PcapCompile(const std::string& expression, int snaplen, PcapProgram* program, std::string* error) {
  static const Library& library = *new Library;
  if (!library.missing.empty()) {
    *error = library.missing;
    return PcapResult::kNoLibrary;
  }
  void* pcap = library.open_dead(kEthernet, snaplen);
  if (!pcap) {
    *error = "no memory";
    return PcapResult::kBadExpression;
  }
  BpfProgram code{};
  const bool compiled = library.compile(pcap, &code, expression.c_str(), 1, kUnknownNetmask) == 0;
  if (compiled) {
    program->instructions.assign(code.instructions, code.instructions + code.count);
    for (unsigned i = 0; i < code.count; i++)
      program->lines.emplace_back(library.image(&code.instructions[i], static_cast<int>(i)));
    library.free_code(&code);
  } else {
    *error = library.error(pcap);
  }
  library.close(pcap);
  return compiled ? PcapResult::kCompiled : PcapResult::kBadExpression;
}

}  // namespace vpci
