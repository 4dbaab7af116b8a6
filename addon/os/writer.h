// SPDX-License-Identifier: BSD-3-Clause
// Output that cannot block its caller: a bounded queue, and a thread that writes it to descriptors.
//
// Why a thread: a held terminal (Ctrl-S), a pipe that nobody reads and a hung file system all block write(2).
// O_NONBLOCK does not help: it belongs to the open file description, which is shared with the shell that
// started us, and has no effect on files. (A terminal can be reopened, see os/terminal.h: that keeps its
// write lock free; the thread then waits in poll(2).) Nor does poll(2) before a small write: another writer
// to the same terminal may take the room in between. A thread can hang by itself, and exit(2) ends it even
// so.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

namespace vpci {

class Writer : public std::enable_shared_from_this<Writer> {
 public:
  // Starts the thread. The queue holds at most `capacity` bytes; a failed write adds 1 to the eventfd
  // `failed_fd`. Null if the thread cannot be created.
  static std::shared_ptr<Writer> Start(size_t capacity, int failed_fd);

  // Queues a copy, written in call order; false, with nothing queued, if there is no room.
  bool Put(int fd, std::span<const uint8_t> bytes);
  // Bytes not yet written.
  size_t Pending();
  // Waits until everything is written; gives up (false) if a write has waited for `stall_ms`, or after
  // `limit_ms`. Until the thread has a CPU for its write, only the limit counts: on a busy machine it may
  // come late, and the reader is not to blame.
  bool Flush(int stall_ms, int limit_ms);
  struct Failure {
    int fd;
    int error;
    // Newlines not written since then, whatever the error.
    size_t lines;
  };
  // The first failed write since the last call; error 0 for none. The data of a failed write is lost.
  Failure TakeFailure();
  // Whatever is queued is still written, then the thread ends. Idempotent.
  void Close();

 private:
  struct Item {
    int fd;
    std::string bytes;
  };

  Writer(size_t capacity, int failed_fd) : capacity_(capacity), failed_fd_(failed_fd) {}
  static void* Run(void* self);
  void WriteAll();
  void WriteItem(const Item& item);
  void Begin();
  void Taken(size_t bytes);
  void Failed(int fd, int error, std::string_view rest);

  const size_t capacity_;
  const int failed_fd_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;
  size_t pending_ = 0;
  uint64_t taken_ = 0;
  // A write is under way, or about to begin.
  bool writing_ = false;
  Failure failure_{-1, 0, 0};
  bool closed_ = false;
};

}  // namespace vpci
