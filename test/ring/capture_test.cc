// SPDX-License-Identifier: BSD-3-Clause
// Captures: filters that are programs and such that are none, and rings with an honest and a hostile reader.
#include <cstring>
#include <memory>
#include <vector>

#include "check.h"
#include "mock_peer.h"
#include "packet/capture_point.h"

using namespace mock;

namespace {

constexpr uint32_t kBytes = 4096;

struct CaptureRig {
  Pool pool{64};
  alignas(64) uint8_t memory[kCaptureData + kBytes] = {};
  CaptureRingHead* head = reinterpret_cast<CaptureRingHead*>(memory);

  std::unique_ptr<CaptureQueue> Queue(uint32_t snaplen = 65535,
                                      const std::vector<BpfInstruction>& code = {}) {
    CaptureFilter filter;
    if (!filter.Set(code)) std::abort();
    return std::make_unique<CaptureQueue>(memory, kBytes, snaplen, std::move(filter));
  }

  uint32_t Packet(uint32_t length, uint8_t fill) {
    uint32_t id;
    if (!pool->Alloc(&id, 1)) std::abort();
    pool->Begin(&id, 1, length);
    std::memset(pool->buffer(id) + pool->data_off()[id], fill, length);
    return id;
  }

  CaptureRecord At(uint32_t offset) const {
    CaptureRecord record;
    std::memcpy(&record, memory + kCaptureData + offset, sizeof record);
    return record;
  }
};

bool IsValid(const std::vector<BpfInstruction>& code) {
  CaptureFilter filter;
  return filter.Set(code);
}

uint32_t Run(const std::vector<BpfInstruction>& code, const std::vector<uint8_t>& packet) {
  CaptureFilter filter;
  if (!filter.Set(code)) std::abort();
  // In memory of its own size, so that the sanitizer sees a read behind its end.
  std::vector<uint8_t> exact(packet);
  return filter.Run(exact.data(), static_cast<uint32_t>(exact.size()), static_cast<uint32_t>(exact.size()));
}

const BpfInstruction kTakeAll{0x06, 0, 0, 262144};

}  // namespace

TEST("filters that could leave their program or memory are refused") {
  CHECK(IsValid({kTakeAll}));
  CHECK(!IsValid({{0x00, 0, 0, 1}}));                     // no RET at the end
  CHECK(!IsValid({{0x15, 1, 0, 0}, kTakeAll}));           // a jump behind the end
  CHECK(!IsValid({{0x05, 0, 0, 0xffffffff}, kTakeAll}));  // and backwards
  CHECK(!IsValid({{0x60, 0, 0, 16}, kTakeAll}));          // scratch word 16 of 16
  CHECK(!IsValid({{0x02, 0, 0, 0x80000000}, kTakeAll}));
  CHECK(!IsValid({{0x34, 0, 0, 0}, kTakeAll}));  // division by 0
  CHECK(!IsValid({{0xffff, 0, 0, 0}, kTakeAll}));
  CHECK(!IsValid(std::vector<BpfInstruction>(CaptureFilter::kMaxInstructions + 1, kTakeAll)));
  CHECK(IsValid(std::vector<BpfInstruction>(CaptureFilter::kMaxInstructions, kTakeAll)));
}

TEST("filters read packets within their bounds") {
  const std::vector<uint8_t> packet = {1, 2, 3, 4, 5, 6, 7, 8};
  CHECK(Run({{0x20, 0, 0, 4}, {0x16, 0, 0, 0}}, packet) == 0x05060708);
  CHECK(Run({{0x20, 0, 0, 5}, kTakeAll}, packet) == 0);
  CHECK(Run({{0x30, 0, 0, 0xffffffff}, kTakeAll}, packet) == 0);
  CHECK(Run({{0x01, 0, 0, 0xffffffff}, {0x50, 0, 0, 2}, kTakeAll}, packet) == 0);
  CHECK(Run({{0x01, 0, 0, 3}, {0x48, 0, 0, 1}, {0x16, 0, 0, 0}}, packet) == 0x0506);
  CHECK(Run({{0xb1, 0, 0, 2}, {0x87, 0, 0, 0}, {0x16, 0, 0, 0}}, packet) == 12);
  CHECK(Run({{0x80, 0, 0, 0}, {0x16, 0, 0, 0}}, packet) == 8);
  CHECK(Run({{0x00, 0, 0, 7}, {0x01, 0, 0, 0}, {0x3c, 0, 0, 0}, kTakeAll}, packet) == 0);
  CHECK(Run({{0x00, 0, 0, 1}, {0x64, 0, 0, 40}, {0x16, 0, 0, 0}}, packet) == 0);
}

TEST("filters do nothing worse than choose wrongly whatever program is valid") {
  uint32_t seed = 1;
  const auto next = [&seed] { return seed = seed * 1664525 + 1013904223; };
  // Every load, store, computation and jump that there is, and some that there is not.
  const uint16_t codes[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x0c, 0x14, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30,
                            0x34, 0x3c, 0x40, 0x44, 0x48, 0x4c, 0x50, 0x54, 0x5c, 0x60, 0x61, 0x64, 0x6c,
                            0x74, 0x7c, 0x80, 0x81, 0x84, 0x94, 0x9c, 0xa4, 0xac, 0xb1, 0x05, 0x15, 0x1d,
                            0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87, 0xb4, 0x55};
  int valid = 0;
  for (int round = 0; round < 200000; round++) {
    std::vector<BpfInstruction> code(1 + (next() >> 29));
    for (BpfInstruction& i : code) {
      i.code = codes[(next() >> 16) % std::size(codes)];
      i.jt = static_cast<uint8_t>(next() >> 30);
      i.jf = static_cast<uint8_t>(next() >> 30);
      i.k = next() >> 28 == 0 ? next() : next() >> 28;
    }
    code.push_back(kTakeAll);
    if (!IsValid(code)) continue;
    valid++;
    Run(code, std::vector<uint8_t>(next() >> 27, 0x5a));
  }
  CHECK(valid > 1000);
}

TEST("a capture copies packets until its ring is full and counts the others") {
  CaptureRig rig;
  auto queue = rig.Queue();
  for (int i = 0; i < 64; i++) {
    const uint32_t id = rig.Packet(100, static_cast<uint8_t>(i));
    queue->Received(*rig.pool, &id, 1);
  }
  // 4096 / (16 + 104)
  CHECK(queue->counts().accepted == 34);
  CHECK(queue->counts().dropped == 30);
  CHECK(rig.head->head == 34 * 120);
  CHECK(rig.At(120 * 33).present == 100 && rig.memory[kCaptureData + 120 * 33 + 16] == 33);
}

TEST("a capture goes on at the start of its ring when the reader has made room") {
  CaptureRig rig;
  auto queue = rig.Queue(50);
  const uint32_t id = rig.Packet(100, 7);
  for (int i = 0; i < 500; i++) {
    queue->Received(*rig.pool, &id, 1);
    rig.head->tail = rig.head->head;
  }
  CHECK(queue->counts().accepted == 500 && queue->counts().dropped == 0);
  CHECK(rig.At(0).present == 50 && rig.At(0).length == 100);
}

TEST("a capture shows of a burst what was sent") {
  CaptureRig rig;
  auto queue = rig.Queue();
  const uint32_t ids[3] = {rig.Packet(20, 1), rig.Packet(20, 2), rig.Packet(20, 3)};
  queue->Sending(*rig.pool, ids, 3);
  CHECK(rig.head->head == 0);
  queue->Sent(2);
  CHECK(rig.head->head == 2 * 40 && queue->counts().accepted == 2);
  queue->Sending(*rig.pool, ids + 2, 1);
  queue->Sent(0);
  CHECK(rig.head->head == 2 * 40 && queue->counts().accepted == 2);
  queue->Sending(*rig.pool, ids + 2, 1);
  queue->Sent(1);
  CHECK(rig.memory[kCaptureData + 80 + 16] == 3);
}

TEST("a capture copies a packet of several mbufs and no chain that never ends") {
  CaptureRig rig;
  auto queue = rig.Queue();
  const uint32_t ids[2] = {rig.Packet(20, 1), rig.Packet(10, 2)};
  rig.pool->next()[ids[0]] = ids[1];
  rig.pool->pkt_len()[ids[0]] = 30;
  queue->Received(*rig.pool, ids, 1);
  CHECK(rig.At(0).present == 30 && rig.memory[kCaptureData + 16 + 19] == 1 &&
        rig.memory[kCaptureData + 16 + 20] == 2);
  rig.pool->next()[ids[1]] = ids[0];
  rig.pool->pkt_len()[ids[0]] = 0xffffffff;
  queue->Received(*rig.pool, ids, 1);
  const uint32_t wrong = 12345;
  queue->Received(*rig.pool, &wrong, 1);
  CHECK(queue->counts().filtered == 1);
}

TEST("a hostile reader of a capture harms the capture alone") {
  CaptureRig rig;
  auto queue = rig.Queue();
  uint32_t seed = 7;
  const uint32_t id = rig.Packet(1000, 9);
  // The sanitizer watches the ring's end.
  auto memory = std::make_unique<uint8_t[]>(kCaptureData + kBytes);
  CaptureFilter all;
  CaptureQueue watched(memory.get(), kBytes, 65535, all);
  auto* head = reinterpret_cast<CaptureRingHead*>(memory.get());
  for (int i = 0; i < 100000; i++) {
    seed = seed * 1664525 + 1013904223;
    head->tail = (seed & 3) == 0 ? head->head : seed;
    head->head = seed >> 3;
    if ((seed & 4) != 0) {
      watched.Received(*rig.pool, &id, 1);
    } else {
      watched.Sending(*rig.pool, &id, 1);
      watched.Sent((seed >> 4) & 1);
    }
  }
  CHECK(watched.counts().accepted + watched.counts().dropped > 0);
}

TEST("a capture ends when no thread is at it any more") {
  CaptureRig rig;
  CapturePoint& point = CapturePointOf(5);
  CaptureCounts counts;
  CHECK(point.Begin(5, rig.Queue()) && g_capture_words[5] == 1);
  CHECK(!point.Begin(5, rig.Queue()));
  const uint32_t id = rig.Packet(60, 1);
  point.Sending(*rig.pool, &id, 1);
  CHECK(!point.End(5, &counts) && g_capture_words[5] == 0);
  CHECK(!point.Begin(5, rig.Queue()));
  point.Sent(1);
  CHECK(point.End(5, &counts) && counts.accepted == 1);
  point.Received(*rig.pool, &id, 1);
  CHECK(rig.head->head == 80);
  CHECK(point.Begin(5, rig.Queue()) && point.End(5, &counts) && counts.accepted == 0);
}
