// SPDX-License-Identifier: BSD-3-Clause
// Signals to eventfds that somebody else holds too: a peer's call descriptor, a driver's MSI-X vector, a
// doorbell of the device model.
//
// O_NONBLOCK belongs to the open file, so that whoever else holds it can clear it, fill the counter, and hold
// every thread that calls write(2); poll(2) before it leaves a gap, and eventfds know no RWF_NOWAIT for
// writing (EOPNOTSUPP, Linux 5.8 to 6.18). What cannot block is the kernel's own signal, which saturates: the
// one that Linux AIO gives to the eventfd of a request (IOCB_FLAG_RESFD, io_submit(2)) when that is complete.
#pragma once

namespace vpci {

// Adds 1; a full counter stays full. Never blocks. False when `fd` is no eventfd.
bool SignalEventfd(int fd);

// The same where there is no AIO (a kernel built without it, a seccomp filter, fs.aio-max-nr): a write that
// is interrupted when it blocks. It costs more, and its owner can hold the thread for
// BoundedCall::kIntervalNs. False also when the counter is full.
bool SignalEventfdByWrite(int fd);

}  // namespace vpci
