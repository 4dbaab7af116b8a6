// SPDX-License-Identifier: BSD-3-Clause
// Files, terminals, and output that never blocks.

/**
 * A bounded output queue and the thread that writes it: calls never block on the descriptors, except flush().
 */
export interface OutputQueue {
  /** Queues a copy, written in the order of the calls; false (and nothing is queued) if there is no room. */
  put(fd: number, bytes: Uint8Array): boolean;
  /** Bytes not yet written. */
  pending(): number;
  /**
   * Blocks until all is written; gives up (false) if no byte was accepted for `stallMs`, or after `limitMs`.
   */
  flush(stallMs: number, limitMs: number): boolean;
  /**
   * The first failed write since the last call, and how many line ends were not written. That output is lost.
   */
  takeFailure(): {
    readonly fd: number;
    readonly error: SystemCallError;
    readonly lines: number;
  } | null;
}

/** A failed system call: the errno's name, and the call's. */
export interface SystemCallError extends Error {
  readonly code?: string;
  readonly syscall?: string;
}

export interface FileCalls {
  /**
   * Opens the terminal at `fd` again, with a non-blocking file description of its own for writing: no thread
   * sleeps while it holds the terminal's lock. -1 if `fd` is not a terminal, or cannot be reopened.
   */
  openTerminal(fd: number): number;
  /**
   * False while another job of the shell owns the terminal at `fd`: reading would stop this process; its mode
   * is kept.
   */
  isForeground(fd: number): boolean;
  /**
   * Raw mode, or the mode before the first call. Unlike tty.ReadStream's setRawMode, does not wait for
   * pending output.
   */
  setTerminalRaw(fd: number, on: boolean): void;
  /** Whether ^C at a terminal in raw mode is SIGINT or a character. Does not wait for pending output. */
  setTerminalInterrupt(fd: number, on: boolean): void;
  /** Starts an output queue of `capacity` bytes; signals the eventfd `failedFd` when a write fails. */
  writerStart(capacity: number, failedFd: number): OutputQueue;
  close(fd: number): void;
  /**
   * ioctl(2), for bus/ioctl.ts. The argument is a structure that the call may change, at least as large as
   * `request` says, or a number of 0 or more. Returns the call's result.
   */
  ioctl(fd: number, request: number, argument: Uint8Array | number): number;
  /**
   * Closes a descriptor that another party made, and never hangs: a file system that does not respond blocks
   * a thread made for the purpose. Beyond 64 such threads, descriptors wait for one of them.
   */
  closeForeign(fd: number): void;
  /**
   * File system of a descriptor that another party made, determined without a request to that file system:
   * "tmpfs" (memfds too), "hugetlbfs", another name of /proc/mounts, or "" if it is in no mount that this
   * process sees.
   */
  fileSystem(fd: number): string;
  dup(fd: number): number;
  /** `regular` is true for a regular file or memfd; with its size and identity. */
  fileInfo(fd: number): {
    readonly regular: boolean;
    readonly size: number;
    readonly device: bigint;
    readonly inode: bigint;
  };
  /**
   * Locks a range of bytes for writing, for as long as this open file lives; false if another one holds a
   * lock there. Advisory (fcntl(2), F_OFD_SETLK).
   */
  lockFile(fd: number, offset: number, length: number): boolean;
  /** Block size of the file system: the hugepage size for hugetlb files. */
  filePageSize(fd: number): number;
}
