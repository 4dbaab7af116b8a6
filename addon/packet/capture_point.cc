// SPDX-License-Identifier: BSD-3-Clause
#include "packet/capture_point.h"

#include <utility>

namespace vpci {

uint32_t g_capture_words[kCapturePoints + 1];

namespace {

void SetWord(uint32_t number, uint32_t value) {
  __atomic_store_n(&g_capture_words[number], value, __ATOMIC_RELEASE);
}

}  // namespace

bool CapturePoint::Begin(uint32_t number, std::unique_ptr<CaptureQueue> queue) {
  if (owned_) return false;
  owned_ = std::move(queue);
  queue_.store(owned_.get(), std::memory_order_seq_cst);
  SetWord(number, 1);
  return true;
}

bool CapturePoint::End(uint32_t number, CaptureCounts* counts) {
  SetWord(number, 0);
  queue_.store(nullptr, std::memory_order_seq_cst);
  if (busy_.load(std::memory_order_seq_cst)) return false;
  if (owned_) *counts = owned_->counts();
  owned_.reset();
  return true;
}

// Never destroyed: worker threads may outlive the static destructors.
CapturePoint& CapturePointOf(uint32_t number) {
  static CapturePoint* const points = new CapturePoint[kCapturePoints];
  return points[number % kCapturePoints];
}

}  // namespace vpci
