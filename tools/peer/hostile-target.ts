// SPDX-License-Identifier: BSD-3-Clause
// A ring that --hostile breaks, and what breaks it.
import type { RingPlace } from './layout.ts';

export type RingRole = 'rx' | 'tx';

/** A ring in shared memory, and where that memory lies for the back-end. */
export interface HostileTarget {
  readonly view: DataView;
  readonly ring: RingPlace;
  readonly role: RingRole;
  /** Guest-physical address of the view's first byte. */
  readonly gpa: bigint;
  /** Bytes of memory that the back-end knows. */
  readonly memoryBytes: number;
}

/** A descriptor's buffer, as both kinds of ring have it. */
export interface HostileBuffer {
  readonly addr: bigint;
  readonly len: number;
  readonly flags: number;
}

/** Makes a ring bad whose driver stands still. */
export type Breaker = (target: HostileTarget) => void;
