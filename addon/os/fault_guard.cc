// SPDX-License-Identifier: BSD-3-Clause
#include "os/fault_guard.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <mutex>

namespace vpci {
namespace {

// The handler takes no lock: a slot is a range while its base is not zero, and its length is written before
// that.
struct Slot {
  std::atomic<uintptr_t> base;
  std::atomic<size_t> length;
};

constexpr size_t kSlots = 8192;
std::array<Slot, kSlots> slots;
std::mutex writers;
struct sigaction previous;

bool MakeZeros(uintptr_t address) {
  for (Slot& slot : slots) {
    const uintptr_t base = slot.base.load(std::memory_order_acquire);
    const size_t length = slot.length.load(std::memory_order_relaxed);
    if (base == 0 || address - base >= length) continue;
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    auto* start = reinterpret_cast<void*>(base);
    return mmap(start, length, PROT_READ | PROT_WRITE, kFlags, -1, 0) == start;
  }
  return false;
}

// What is not ours goes to whoever was there before; the default is the end, at the access's next try.
void OnFault(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const bool survived = MakeZeros(reinterpret_cast<uintptr_t>(info->si_addr));
  errno = error;
  if (survived) return;
  if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    sigaction(signal, &previous, nullptr);
  }
}

void InstallOnce() {
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_sigaction = OnFault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, &previous) == 0;
  }();
  (void)installed;
}

}  // namespace

void FaultGuardAdd(void* base, size_t length) {
  const std::lock_guard lock(writers);
  InstallOnce();
  for (Slot& slot : slots) {
    if (slot.base.load(std::memory_order_relaxed) != 0) continue;
    slot.length.store(length, std::memory_order_relaxed);
    slot.base.store(reinterpret_cast<uintptr_t>(base), std::memory_order_release);
    return;
  }
}

void FaultGuardRemove(void* base) {
  const std::lock_guard lock(writers);
  for (Slot& slot : slots) {
    if (slot.base.load(std::memory_order_relaxed) != reinterpret_cast<uintptr_t>(base)) continue;
    slot.base.store(0, std::memory_order_release);
    return;
  }
}

}  // namespace vpci
