// SPDX-License-Identifier: BSD-3-Clause
// What the kernel reports about an eventfd received from a peer (proc(5), /proc/pid/fdinfo).
import { readFileSync } from 'node:fs';

export interface EventfdKind {
  /** Counter at the time of the call. */
  readonly count: bigint;
  /**
   * EFD_SEMAPHORE: a read takes 1 instead of the whole count. Also false on kernels before 6.5, which do not
   * report it.
   */
  readonly semaphore: boolean;
  /** The same for every descriptor of an eventfd; null on kernels that do not report it. */
  readonly id: number | null;
}

export function eventfdKind(fd: number): EventfdKind {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
  const count = /^eventfd-count:\s*([0-9a-f]+)$/m.exec(text)?.[1] ?? '0';
  const id = /^eventfd-id:\s*(\d+)$/m.exec(text)?.[1];
  return {
    count: BigInt(`0x${count}`),
    semaphore: /^eventfd-semaphore:\s*1$/m.test(text),
    id: id === undefined ? null : Number(id),
  };
}
