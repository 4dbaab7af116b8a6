// SPDX-License-Identifier: BSD-3-Clause
// A port that a generator drives. Apart from what opens it: an application's compiler reads the declarations
// that it needs, and may know nothing of AbortSignal.
import type { Port } from '../../src/ethdev/port.ts';

export interface OpenedPort {
  readonly port: Port;
  /**
   * Resolves when no packet can pass any more: the device is gone, or a program that was started for the port
   * has ended.
   */
  readonly broken: Promise<Error>;
  close(): Promise<void>;
}
