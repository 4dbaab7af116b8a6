// SPDX-License-Identifier: BSD-3-Clause
#include "os/writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "os/event.h"
#include "ring/signal.h"

namespace vpci {
namespace {

// Bytes per write(2): small, so that a slow reader shows progress.
constexpr size_t kChunk = 4096;
// Overhead per item besides its bytes, so that a flood of empty lines is bounded too.
constexpr size_t kItemCost = 64;

}  // namespace

std::shared_ptr<Writer> Writer::Start(size_t capacity, int failed_fd) {
  std::shared_ptr<Writer> writer(new Writer(capacity, failed_fd));
  auto* self = new std::shared_ptr<Writer>(writer);
  // Signals are left to the other threads: a handler here would only interrupt the write.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, nullptr, Run, self);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    delete self;
    return nullptr;
  }
  pthread_setname_np(thread, "vpci-output");
  pthread_detach(thread);
  return writer;
}

bool Writer::Put(int fd, std::span<const uint8_t> bytes) {
  const std::lock_guard lock(mutex_);
  if (closed_ || bytes.size() > capacity_ || pending_ + kItemCost > capacity_ - bytes.size()) return false;
  items_.push_back({fd, std::string(bytes.begin(), bytes.end())});
  pending_ += bytes.size() + kItemCost;
  changed_.notify_all();
  return true;
}

size_t Writer::Pending() {
  const std::lock_guard lock(mutex_);
  return pending_;
}

bool Writer::Flush(int stall_ms, int limit_ms) {
  using Clock = std::chrono::steady_clock;
  std::unique_lock lock(mutex_);
  const auto limit = Clock::now() + std::chrono::milliseconds(limit_ms);
  while (pending_ > 0) {
    if (!changed_.wait_until(lock, limit, [this] { return writing_ || pending_ == 0; })) return false;
    const auto stalled = std::min(limit, Clock::now() + std::chrono::milliseconds(stall_ms));
    const uint64_t before = taken_;
    if (!changed_.wait_until(lock, stalled, [&] { return taken_ != before || pending_ == 0; })) return false;
  }
  return true;
}

Writer::Failure Writer::TakeFailure() {
  const std::lock_guard lock(mutex_);
  return std::exchange(failure_, {-1, 0, 0});
}

void Writer::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

void* Writer::Run(void* self) {
  const std::unique_ptr<std::shared_ptr<Writer>> writer(static_cast<std::shared_ptr<Writer>*>(self));
  (*writer)->WriteAll();
  return nullptr;
}

void Writer::WriteAll() {
  for (;;) {
    Item item;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return closed_ || !items_.empty(); });
      if (items_.empty()) return;
      item = std::move(items_.front());
      items_.pop_front();
    }
    WriteItem(item);
    Taken(kItemCost);
  }
}

void Writer::WriteItem(const Item& item) {
  for (size_t done = 0; done < item.bytes.size();) {
    const size_t left = item.bytes.size() - done;
    Begin();
    const ssize_t wrote = write(item.fd, item.bytes.data() + done, std::min(left, kChunk));
    if (wrote >= 0) {
      done += static_cast<size_t>(wrote);
      Taken(static_cast<size_t>(wrote));
    } else if (errno == EAGAIN) {
      // Someone who shares the open file description made it non-blocking. A descriptor that cannot be polled
      // is retried later.
      PollFd(item.fd, POLLOUT, 1000);
    } else if (errno != EINTR) {
      Failed(item.fd, errno, std::string_view(item.bytes).substr(done));
      Taken(left);
      return;
    }
  }
}

void Writer::Begin() {
  const std::lock_guard lock(mutex_);
  writing_ = true;
  changed_.notify_all();
}

void Writer::Taken(size_t bytes) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  pending_ -= bytes;
  taken_ += bytes;
  changed_.notify_all();
}

void Writer::Failed(int fd, int error, std::string_view rest) {
  const auto lines = static_cast<size_t>(std::count(rest.begin(), rest.end(), '\n'));
  {
    const std::lock_guard lock(mutex_);
    if (failure_.error == 0) failure_ = {fd, error, 0};
    failure_.lines += lines;
  }
  SignalEventfd(failed_fd_);
}

}  // namespace vpci
