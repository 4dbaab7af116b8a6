// SPDX-License-Identifier: BSD-3-Clause
// The driver role of a ring, for the built-in peer.
import type { DriverQueueHandle, MappingHandle } from './handles.ts';

/** Order of the counters of a driver-role queue (BigUint64Array), see `driverQueueStats`. */
export const DRIVER_QUEUE_COUNTERS = [
  'packets',
  'bytes',
  'bad_checksum',
  'out_of_sequence',
  'bad_frame',
  'ring_errors',
  'kicks',
] as const;

export interface DriverQueueSetup {
  /** Mapping of the memory that holds ring and buffers. */
  readonly mapping: MappingHandle;
  /** Byte offsets of the ring's parts and of the buffers in the mapping. */
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
  readonly buffers: number;
  /** Guest-physical address of the mapping's first byte, as sent to the back-end. */
  readonly gpa: bigint;
  readonly size: number;
  /** Bytes of each buffer, virtio-net header included. */
  readonly bufferSize: number;
  readonly features: bigint;
  /** Eventfd signalled when the back-end wants a kick; -1 for none. */
  readonly kickFd: number;
}

export interface DriverQueueCalls {
  /** 'rx' posts all of its buffers at once; 'tx' starts empty. */
  driverQueueCreate(role: 'rx' | 'tx', setup: DriverQueueSetup): DriverQueueHandle;
  driverQueueDestroy(queue: DriverQueueHandle): void;
  driverQueueStats(queue: DriverQueueHandle): ArrayBuffer;
  /**
   * Template of the frames that `driverGenerate` sends: bytes 0..length, without sequence number and
   * checksum.
   */
  driverTemplate(queue: DriverQueueHandle, frame: Uint8Array): void;
  /** HOT. Reclaims, then sends up to `n` generated frames; returns how many. */
  driverGenerate(tx: DriverQueueHandle, n: number): number;
  /**
   * HOT. Takes up to `n` received frames, with `check` verifies sequence and checksum, reposts the buffers;
   * returns how many.
   */
  driverReceive(rx: DriverQueueHandle, n: number, check: boolean): number;
  /**
   * Results of `driverReceiveTimed`, a Float64Array for the calling thread: the time-stamp counter after the
   * last call, then the sequence numbers of the frames that it took, -1 for a frame too short to have one.
   */
  driverArrivals(rx: DriverQueueHandle): ArrayBuffer;
  /**
   * HOT. As `driverReceive`, at most 512 frames, and fills driverArrivals; the time even if nothing arrived.
   */
  driverReceiveTimed(rx: DriverQueueHandle, n: number, check: boolean): number;
  /** HOT. Sends up to `n` received frames back with source and destination MAC swapped; returns how many. */
  driverEcho(rx: DriverQueueHandle, tx: DriverQueueHandle, n: number): number;
}
