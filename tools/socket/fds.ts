// SPDX-License-Identifier: BSD-3-Clause
// Ownership of received descriptors. A message owns its descriptors until a handler takes them out of the
// list; any left when the handler returns are closed, so that no reject path can leak one.
import { native } from '../../src/native.ts';

/** Closes and removes every descriptor of the list. */
export function closeAll(fds: number[]): void {
  for (const fd of fds.splice(0)) closeQuietly(fd);
}

/**
 * Closes a descriptor; -1 is ignored. An error of close(), or a close() that hangs, concerns the peer's file
 * and not us.
 */
export function closeQuietly(fd: number): void {
  if (fd >= 0) native.closeForeign(fd);
}

/** Runs `take`, which takes ownership of the descriptor unless it throws. */
export function ownedBy(fd: number, take: () => void): void {
  try {
    take();
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
}

/**
 * Closes a connected socket without a reset, which not every client survives: QEMU 11.1 aborts when its
 * vfio-user connection is reset while a guest's request is in progress.
 */
export function endQuietly(fd: number): void {
  try {
    native.unixShutdown(fd);
  } catch {
    // The other side has already disconnected.
  }
  closeQuietly(fd);
}

/** Takes `fd` out of the list; the caller then owns it. */
export function takeFd(fds: number[], fd: number): number {
  const index = fds.indexOf(fd);
  if (index >= 0) fds.splice(index, 1);
  return fd;
}
