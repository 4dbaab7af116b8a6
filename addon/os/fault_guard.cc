// SPDX-License-Identifier: BSD-3-Clause
#include "os/fault_guard.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <mutex>

#include "os/hole_budget.h"
#include "os/userfault.h"

namespace vpci {
namespace {

// The handler finds a slot without a lock: a slot is valid while its base is not zero, and everything else is
// written before the base. Only one thread at a time handles a fault in a slot.
struct Slot {
  std::atomic<uintptr_t> base;
  std::atomic<size_t> length;
  std::atomic<MappingLoss> loss;
  std::atomic<int> event;
  std::atomic<HoleBudget*> budget;
  std::atomic_flag busy;
  // Of a lost range with a budget: zero pages filled since they were last dropped.
  size_t zeros;
};

constexpr size_t kSlots = 8192;
// Writes into a lost range are discarded anyway, so the pages they allocate are dropped each time this many
// have accumulated.
constexpr size_t kMostZeros = 4096;
std::array<Slot, kSlots> slots;
std::mutex writers;
struct sigaction previous;

// Spins: the other thread is in this handler too, for microseconds, and a signal handler must not sleep on a
// mutex.
class SlotLock {
 public:
  explicit SlotLock(Slot& slot) : slot_(slot) {
    while (slot_.busy.test_and_set(std::memory_order_acquire)) {
    }
  }
  ~SlotLock() { slot_.busy.clear(std::memory_order_release); }
  SlotLock(const SlotLock&) = delete;
  SlotLock& operator=(const SlotLock&) = delete;

 private:
  Slot& slot_;
};

Slot* Find(uintptr_t address) {
  for (Slot& slot : slots) {
    const uintptr_t base = slot.base.load(std::memory_order_acquire);
    const size_t length = slot.length.load(std::memory_order_relaxed);
    if (base != 0 && address - base < length) return &slot;
  }
  return nullptr;
}

Slot* FindBase(const void* base) {
  for (Slot& slot : slots) {
    if (slot.base.load(std::memory_order_relaxed) == reinterpret_cast<uintptr_t>(base)) return &slot;
  }
  return nullptr;
}

bool Lose(Slot& slot, MappingLoss loss) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  auto* start = reinterpret_cast<void*>(slot.base.load(std::memory_order_relaxed));
  const size_t length = slot.length.load(std::memory_order_relaxed);
  if (mmap(start, length, PROT_READ | PROT_WRITE, kFlags, -1, 0) != start) return false;
  // A queue whose ring lies elsewhere could otherwise fill all of a large range before it is stopped.
  if (slot.budget.load(std::memory_order_relaxed)) UserfaultRegister(start, length);
  slot.loss.store(loss, std::memory_order_release);
  const int event = slot.event.load(std::memory_order_relaxed);
  const uint64_t one = 1;
  if (event >= 0 && write(event, &one, sizeof one) < 0) {
    // A full counter wakes its reader as well.
  }
  return true;
}

bool TouchLost(Slot& slot, uintptr_t page) {
  auto* start = reinterpret_cast<void*>(slot.base.load(std::memory_order_relaxed));
  if (slot.zeros++ == kMostZeros) {
    madvise(start, slot.length.load(std::memory_order_relaxed), MADV_DONTNEED);
    slot.zeros = 0;
  }
  UserfaultFill(page);
  return true;
}

// True if the access can be retried.
bool Handle(uintptr_t address) {
  Slot* slot = Find(address);
  if (!slot) return false;
  const SlotLock lock(*slot);
  const uintptr_t page = address & ~(static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)) - 1);
  HoleBudget* budget = slot->budget.load(std::memory_order_relaxed);
  // Another thread may have lost it while this one waited.
  if (slot->loss.load(std::memory_order_relaxed) != MappingLoss::kNone) {
    return budget ? TouchLost(*slot, page) : true;
  }
  if (!budget) return Lose(*slot, MappingLoss::kShrunk);
  if (!budget->HasRoom()) return Lose(*slot, MappingLoss::kOverLimit);
  const int filled = UserfaultFill(page);
  if (filled < 0) return Lose(*slot, MappingLoss::kShrunk);
  if (filled > 0) budget->Add(page);
  return true;
}

// Faults outside our ranges go to the previous handler; the default action, termination, follows when the
// access is retried.
void OnFault(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const bool survived = Handle(reinterpret_cast<uintptr_t>(info->si_addr));
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
  Slot* slot = FindBase(nullptr);
  if (!slot) return;
  slot->length.store(length, std::memory_order_relaxed);
  slot->loss.store(MappingLoss::kNone, std::memory_order_relaxed);
  slot->event.store(-1, std::memory_order_relaxed);
  slot->zeros = 0;
  slot->base.store(reinterpret_cast<uintptr_t>(base), std::memory_order_release);
}

int FaultGuardLimitHoles(void* base, size_t bytes) {
  const std::lock_guard lock(writers);
  Slot* slot = FindBase(base);
  if (!slot || slot->budget.load(std::memory_order_relaxed)) return -EINVAL;
  HoleBudget* budget = HoleBudget::Create(bytes);
  if (!budget) return -ENOMEM;
  slot->budget.store(budget, std::memory_order_release);
  const int error = UserfaultRegister(base, slot->length.load(std::memory_order_relaxed));
  if (error == 0) return 0;
  slot->budget.store(nullptr, std::memory_order_relaxed);
  HoleBudget::Destroy(budget);
  return error;
}

int FaultGuardNotify(void* base, int event_fd) {
  const std::lock_guard lock(writers);
  Slot* slot = FindBase(base);
  if (!slot) return -EINVAL;
  slot->event.store(event_fd, std::memory_order_relaxed);
  return 0;
}

GuardState FaultGuardState(void* base) {
  const std::lock_guard lock(writers);
  Slot* slot = FindBase(base);
  if (!slot) return {MappingLoss::kNone, 0};
  const SlotLock slot_lock(*slot);
  const HoleBudget* budget = slot->budget.load(std::memory_order_relaxed);
  const size_t pages = budget ? budget->pages() : 0;
  return {slot->loss.load(std::memory_order_relaxed), pages * static_cast<size_t>(sysconf(_SC_PAGESIZE))};
}

void FaultGuardRemove(void* base) {
  const std::lock_guard lock(writers);
  Slot* slot = FindBase(base);
  if (!slot || !base) return;
  slot->base.store(0, std::memory_order_release);
  HoleBudget::Destroy(slot->budget.exchange(nullptr, std::memory_order_relaxed));
}

}  // namespace vpci
