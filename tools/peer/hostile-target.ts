// SPDX-License-Identifier: BSD-3-Clause
// A ring that --hostile breaks, and the function that breaks it.
import type { RingPlace } from './memory-plan.ts';

export type RingRole = 'rx' | 'tx';

/** A ring in shared memory, and the location of that memory for the back-end. */
export interface HostileTarget {
  readonly view: DataView;
  readonly ring: RingPlace;
  readonly role: RingRole;
  /** Guest-physical address of the view's first byte. */
  readonly gpa: bigint;
  /** Bytes of memory that the back-end knows. */
  readonly memoryBytes: number;
}

/** A descriptor's buffer, in the fields common to both kinds of ring. */
export interface HostileBuffer {
  readonly addr: bigint;
  readonly len: number;
  readonly flags: number;
}

/** Corrupts a ring whose driver is stopped. */
export type Breaker = (target: HostileTarget) => void;
