// SPDX-License-Identifier: BSD-3-Clause
#include "binding/ring_stuck.h"

#include <algorithm>
#include <vector>

#include "os/mapping.h"

namespace vpci {
namespace {

struct Kept {
  DeviceQueue* queue;
  MemoryTable* table;
  std::vector<uint32_t> mappings;
};

struct Keeper {
  std::mutex mutex;
  std::vector<Kept> kept;
  // Tables whose handle was released.
  std::vector<std::unique_ptr<MemoryTable>> orphans;
};

// Never destroyed: bursts may outlive the static destructors.
Keeper& TheKeeper() {
  static Keeper& keeper = *new Keeper;
  return keeper;
}

uint32_t UsersIn(const Keeper& keeper, const MemoryTable* table) {
  return static_cast<uint32_t>(std::count_if(keeper.kept.begin(), keeper.kept.end(),
                                             [&](const Kept& kept) { return kept.table == table; }));
}

}  // namespace

void KeepForStuck(DeviceQueue& queue) {
  Keeper& keeper = TheKeeper();
  const std::lock_guard lock(keeper.mutex);
  if (std::any_of(keeper.kept.begin(), keeper.kept.end(),
                  [&](const Kept& kept) { return kept.queue == &queue; }))
    return;
  Kept kept{&queue, queue.memory, {}};
  if (queue.memory)
    for (const MemoryRegion& region : queue.memory->regions()) kept.mappings.push_back(region.mapping);
  kept.mappings.push_back(queue.place_mapping);
  std::erase_if(kept.mappings, [](uint32_t handle) { return MappingHold(handle) != 0; });
  keeper.kept.push_back(std::move(kept));
}

void ReapStuck() {
  Keeper& keeper = TheKeeper();
  const std::lock_guard lock(keeper.mutex);
  std::erase_if(keeper.kept, [](const Kept& kept) {
    if (kept.queue->Stuck()) return false;
    // Releases the table.
    kept.queue->Quiesce();
    for (const uint32_t handle : kept.mappings) MappingRelease(handle);
    return true;
  });
  std::erase_if(keeper.orphans, [&](const auto& table) { return UsersIn(keeper, table.get()) == 0; });
}

bool OrphanTable(uint32_t handle) {
  Keeper& keeper = TheKeeper();
  const std::lock_guard lock(keeper.mutex);
  MemoryTable* table = TheRegistry().memories.Get(handle);
  if (!table || table->users.load() != UsersIn(keeper, table)) return false;
  keeper.orphans.push_back(TheRegistry().memories.Remove(handle));
  return true;
}

}  // namespace vpci
