// SPDX-License-Identifier: BSD-3-Clause
#include "ring/way_choice.h"

#include <algorithm>
#include <array>
#include <random>

#include "check.h"

namespace {

using vpci::WayChoice;
using Way = WayChoice::Way;

// Cycles per packet by way.
using Costs = std::array<uint32_t, 3>;

// A queue that moves packets at the cost of the way in use.
struct Queue {
  WayChoice choice;
  Way way = Way::kClean;
  uint64_t packets = 0, cycles = 0;
  std::array<uint64_t, 3> by_way{};

  explicit Queue(Way near = Way::kClean, Way far = Way::kFlush) : way(near) { choice.Start(near, far); }

  void Look(const Costs& costs, bool far = false, uint32_t burst = 32) {
    const uint32_t moved = WayChoice::kBursts * burst;
    packets += moved;
    by_way[static_cast<int>(way)] += moved;
    cycles += uint64_t{moved} * costs[static_cast<int>(way)];
    way = choice.Next(far, packets, cycles);
  }
  void Run(uint32_t looks, const Costs& costs, bool far = false, uint32_t burst = 32) {
    for (uint32_t i = 0; i < looks; i++) Look(costs, far, burst);
  }
  // Passes the trial that may be going on.
  Way Settled(const Costs& costs, bool far = false) {
    std::array<uint32_t, 3> looks{};
    for (uint32_t i = 0; i < 99; i++) {
      Look(costs, far);
      looks[static_cast<int>(way)]++;
    }
    return static_cast<Way>(std::max_element(looks.begin(), looks.end()) - looks.begin());
  }
};

constexpr Way kAll[] = {Way::kLeave, Way::kClean, Way::kFlush};
constexpr uint32_t kLong = 4 * WayChoice::kLate;

}  // namespace

TEST("way choice: ends with the cheapest way, whatever it began with") {
  std::minstd_rand random(1);
  for (int n = 0; n < 200; n++) {
    Costs costs;
    for (auto& cost : costs) cost = 40 + random() % 400;
    const auto least = std::min_element(costs.begin(), costs.end());
    bool clear = true;
    for (auto& cost : costs) clear &= &cost == &*least || cost * 20 > *least * 21;
    if (!clear) continue;
    for (Way first : kAll) {
      Queue queue(first);
      queue.Run(200, costs);
      CHECK(queue.Settled(costs) == static_cast<Way>(least - costs.begin()));
    }
  }
}

TEST("way choice: what costs the same, or hardly less, changes nothing") {
  for (Way first : kAll) {
    Queue queue(first);
    Costs costs{100, 100, 100};
    queue.Run(kLong, costs);
    CHECK(queue.Settled(costs) == first);
    for (Way way : kAll) costs[static_cast<int>(way)] = way == first ? 100 : 98;
    queue.Run(kLong, costs);
    CHECK(queue.Settled(costs) == first);
  }
}

TEST("way choice: once it has settled, one packet in a thousand goes a slower way") {
  constexpr Costs kCosts{450, 420, 230};
  Queue queue;
  queue.Run(kLong, kCosts, true);
  const uint64_t best = queue.by_way[2], all = queue.packets;
  queue.Run(kLong, kCosts, true);
  const uint64_t since = queue.packets - all;
  CHECK((since - (queue.by_way[2] - best)) * 1000 < since);
}

TEST("way choice: in its first second, one in a hundred does") {
  constexpr Costs kCosts{135, 89, 131};
  Queue queue;
  while (queue.cycles < 2'600'000'000) queue.Look(kCosts);
  CHECK((queue.packets - queue.by_way[1]) * 100 < queue.packets);
}

TEST("way choice: remembers what paid near, and what paid far") {
  constexpr Costs kNear{89, 135, 131}, kFar{450, 231, 418};
  Queue queue;
  queue.Run(kLong, kNear);
  queue.Run(kLong, kFar, true);
  for (int spell = 0; spell < 10; spell++) {
    queue.Look(kNear, false);
    CHECK(queue.way == Way::kLeave);
    queue.Run(WayChoice::kSoon - 1, kNear, false);
    queue.Look(kFar, true);
    CHECK(queue.way == Way::kClean);
    queue.Run(WayChoice::kSoon - 1, kFar, true);
  }
}

TEST("way choice: follows a peer that begins to use its buffers in another way") {
  Queue queue;
  for (const Costs& costs : {Costs{90, 100, 130}, Costs{130, 90, 100}, Costs{100, 130, 90}}) {
    queue.Run(kLong, costs);
    const auto least = std::min_element(costs.begin(), costs.end()) - costs.begin();
    CHECK(queue.Settled(costs) == static_cast<Way>(least));
  }
}

TEST("way choice: a thread that is interrupted at times does not mislead it") {
  std::minstd_rand random(2);
  constexpr Costs kCosts{135, 89, 131};
  Queue queue;
  queue.Run(200, kCosts);
  uint64_t best = queue.by_way[1], all = queue.packets;
  for (uint32_t i = 0; i < kLong; i++) {
    if (random() % 100 == 0) queue.cycles += 5'000'000;
    queue.Look(kCosts);
  }
  best = queue.by_way[1] - best;
  all = queue.packets - all;
  CHECK((all - best) * 50 < all);
}

TEST("way choice: is left alone by packets that come too slowly, and by counters that were reset") {
  Queue queue;
  queue.Run(kLong, {10, 100, 10}, false, WayChoice::kFewest - 1);
  CHECK(queue.by_way[1] * 100 > queue.packets * 99);
  Queue reset;
  for (uint32_t i = 0; i < kLong; i++) {
    reset.packets = 0;
    reset.Look({10, 100, 10});
  }
  CHECK(reset.way == Way::kClean);
}
