// SPDX-License-Identifier: BSD-3-Clause
#include "os/end_signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>

namespace vpci {
namespace {

// What libuv's handler writes (uv__signal_msg_t in its unix/signal.c).
struct SignalMessage {
  void* handle;
  int number;
};

}  // namespace

bool EndSignalWaits(int signal_pipe) {
  pollfd entry{signal_pipe, POLLIN, 0};
  if (signal_pipe < 0 || poll(&entry, 1, 0) <= 0) return false;
  // A pipe's contents cannot be peeked at, only copied.
  int copy[2];
  if (pipe2(copy, O_NONBLOCK | O_CLOEXEC) < 0) return false;
  std::array<SignalMessage, 256> messages;
  ssize_t got = tee(signal_pipe, copy[1], sizeof messages, SPLICE_F_NONBLOCK);
  if (got > 0) got = read(copy[0], messages.data(), sizeof messages);
  close(copy[0]);
  close(copy[1]);
  if (got <= 0) return false;
  const std::span<const SignalMessage> waiting(messages.data(),
                                               static_cast<size_t>(got) / sizeof(SignalMessage));
  return std::ranges::any_of(waiting, [](const SignalMessage& message) {
    return message.number == SIGINT || message.number == SIGTERM || message.number == SIGHUP;
  });
}

}  // namespace vpci
