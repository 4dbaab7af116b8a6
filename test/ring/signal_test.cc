// SPDX-License-Identifier: BSD-3-Clause
// A signal never blocks, whatever else is done to the eventfd. Each of these tests would hang with a plain
// write.
#include "ring/signal.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "burst/device_rx.h"
#include "check.h"
#include "mock_peer.h"
#include "ring/bounded_call.h"

using namespace mock;

namespace {

constexpr uint64_t kFull = UINT64_MAX - 1;

// What a peer does to it: O_NONBLOCK is cleared on the open file description that both hold.
struct BlockingEventfd {
  int fd = eventfd(0, EFD_NONBLOCK);
  BlockingEventfd() { fcntl(fd, F_SETFL, 0); }
  ~BlockingEventfd() { close(fd); }
  void Fill() {
    const uint64_t most = kFull;
    CHECK(write(fd, &most, sizeof most) == sizeof most);
  }
  uint64_t Read() {
    uint64_t count = 0;
    CHECK(read(fd, &count, sizeof count) == sizeof count);
    return count;
  }
};

}  // namespace

TEST("signal: adds one each time, thousands of times in many threads") {
  BlockingEventfd e;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; i++) CHECK(SignalEventfd(e.fd));
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(e.Read() == 8000);
  for (int i = 0; i < 100; i++) CHECK(SignalEventfdByWrite(e.fd));
  CHECK(e.Read() == 100);
}

TEST("signal: regression: F2: a full counter of a blocking eventfd holds nobody") {
  BlockingEventfd e;
  e.Fill();
  for (int i = 0; i < 1000; i++) SignalEventfd(e.fd);
  CHECK(!SignalEventfdByWrite(e.fd));
  CHECK(e.Read() >= kFull);
  CHECK(SignalEventfd(e.fd));
  CHECK(e.Read() == 1);
}

TEST("signal: regression: F2: a write that blocks after all is interrupted") {
  BlockingEventfd e;
  e.Fill();
  const uint64_t one = 1;
  for (int i = 0; i < 3; i++) {
    const BoundedCall bound;
    CHECK(bound.armed());
    CHECK(write(e.fd, &one, sizeof one) == -1 && errno == EINTR);
  }
  // Nothing arrives later.
  CHECK(usleep(20'000) == 0);
}

TEST("signal: regression: F2: two that fill and drain without end hold neither way of signalling") {
  BlockingEventfd e;
  std::atomic<bool> stop{false};
  std::atomic<int> running{2};
  std::thread fill([&] {
    while (!stop) (void)!write(e.fd, &kFull, sizeof kFull);
    running--;
  });
  std::thread drain([&] {
    for (uint64_t count; !stop;) (void)!read(e.fd, &count, sizeof count);
    running--;
  });
  for (int i = 0; i < 20'000; i++) SignalEventfd(e.fd);
  for (int i = 0; i < 500; i++) SignalEventfdByWrite(e.fd);
  stop = true;
  // Releases either thread, whichever one it is waiting for.
  while (running > 0) {
    SignalEventfd(e.fd);
    uint64_t count;
    iovec into{&count, sizeof count};
    (void)!preadv2(e.fd, &into, 1, -1, RWF_NOWAIT);
  }
  fill.join();
  drain.join();
}

TEST("signal: what is no eventfd is refused") {
  int pipe_fds[2];
  CHECK(pipe(pipe_fds) == 0);
  for (const int fd : {pipe_fds[0], pipe_fds[1], -1, 1 << 20}) CHECK(!SignalEventfd(fd));
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST("signal: regression: F2: a doorbell that the device model fills holds no burst") {
  BlockingEventfd doorbell;
  doorbell.Fill();
  Peer peer;
  Pool pool;
  peer.queue.role = QueueRole::kRx;
  const RingSetup setup{&peer.table, peer.desc_gpa(), peer.avail_gpa(), peer.used_gpa(), peer.size(),
                        0,           Modern(),        doorbell.fd};
  CHECK(peer.queue.Start(setup) == StartError::kNone);
  peer.OfferPacket(Bytes(100), {112});
  uint32_t ids[4];
  CHECK(RxBurst(peer.queue, *pool, ids, 4) == 1);
  CHECK(peer.queue.counters.guest_notifications == 1);
}
