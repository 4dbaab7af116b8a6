// SPDX-License-Identifier: BSD-3-Clause
// Ownership of received descriptors. A message owns its descriptors until a handler takes them out of the list; what
// is left when the handler returns is closed, so that no reject path can leak one.
import { native } from '../../src/native.ts';

/** Closes and removes every descriptor of the list. */
export function closeAll(fds: number[]): void {
  for (const fd of fds.splice(0)) closeQuietly(fd);
}

/** Closes a descriptor; -1 is none. An error of close() says something about the peer's file, not about us, and so does its silence. */
export function closeQuietly(fd: number): void {
  if (fd >= 0) native.closeForeign(fd);
}

/** Runs `take`, which owns the descriptor from then on, unless it throws. */
export function ownedBy(fd: number, take: () => void): void {
  try {
    take();
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
}

/**
 * Closes a connected socket without a reset, which not every client survives: QEMU 11.1 aborts when its vfio-user connection is
 * reset while a guest's request is under way.
 */
export function endQuietly(fd: number): void {
  try {
    native.unixShutdown(fd);
  } catch {
    // The other side was faster.
  }
  closeQuietly(fd);
}

/** Takes `fd` out of the list: the caller owns it from now on. */
export function takeFd(fds: number[], fd: number): number {
  const index = fds.indexOf(fd);
  if (index >= 0) fds.splice(index, 1);
  return fd;
}
