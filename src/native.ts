// SPDX-License-Identifier: BSD-3-Clause
// The typed contract of the addon; addon-file.ts loads it. Each part of it is a file of native/.
//
// Functions throw an Error with `.code` (an errno name) and `.syscall` when a system call fails, and a
// TypeError or RangeError on a programming error. File descriptors are plain numbers that the caller owns.
import { loadAddon } from './addon-file.ts';
import type { CaptureCalls } from './native/captures.ts';
import type { DriverQueueCalls } from './native/driver-queues.ts';
import type { EventCalls } from './native/events.ts';
import type { FileCalls } from './native/files.ts';
import type { InterfaceCalls } from './native/interfaces.ts';
import type { MemoryCalls } from './native/memory.ts';
import type { PoolCalls } from './native/pools.ts';
import type { QueueCalls } from './native/queues.ts';
import type { SocketCalls } from './native/sockets.ts';
import type { ThreadCalls } from './native/threads.ts';

export type * from './native/captures.ts';
export * from './native/driver-queues.ts';
export type * from './native/events.ts';
export type * from './native/files.ts';
export type * from './native/handles.ts';
export type * from './native/interfaces.ts';
export type * from './native/memory.ts';
export type * from './native/pools.ts';
export * from './native/queues.ts';
export type * from './native/sockets.ts';

export interface Native
  extends MemoryCalls,
    SocketCalls,
    EventCalls,
    FileCalls,
    InterfaceCalls,
    ThreadCalls,
    PoolCalls,
    QueueCalls,
    DriverQueueCalls,
    CaptureCalls {
  /**
   * sizeof and offsetof of every C++ layout, e.g. {"vring_desc": 16, "vring_desc.addr": 0}; a test compares
   * them with src/abi.
   */
  layouts(): Record<string, number>;
}

/** Ends a chain of segments. */
export const NO_NEXT = 0xffff_ffff;

export const native = loadAddon() as Native;
