// SPDX-License-Identifier: BSD-3-Clause
// Signals eventfds that someone else holds too: a peer's call descriptor, a driver's MSI-X vector, a doorbell
// of the device model.
//
// O_NONBLOCK belongs to the open file description, so any other holder can clear it, fill the counter and
// block every thread that calls write(2). poll(2) before the write leaves a race, and eventfds do not support
// RWF_NOWAIT for writing (EOPNOTSUPP, Linux 5.8 to 6.18). What cannot block is the kernel's own signal, which
// saturates: the one that Linux AIO sends to the eventfd of a request (IOCB_FLAG_RESFD, io_submit(2)) on
// completion.
#pragma once

namespace vpci {

// Adds 1; a full counter stays full. Never blocks. False if `fd` is not an eventfd.
bool SignalEventfd(int fd);

// The same where AIO is not available (a kernel without it, a seccomp filter, fs.aio-max-nr): a write that is
// interrupted if it blocks. It costs more, and another holder can delay the thread by
// BoundedCall::kIntervalNs. False also if the counter is full.
bool SignalEventfdByWrite(int fd);

}  // namespace vpci
