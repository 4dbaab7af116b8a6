// SPDX-License-Identifier: BSD-3-Clause
// What the kernel says of an eventfd that a peer gave (proc(5), /proc/pid/fdinfo).
import { readFileSync } from 'node:fs';

export interface EventfdKind {
  /** Counter at the time. */
  readonly count: bigint;
  /** EFD_SEMAPHORE: a read takes 1, and not all. False also on kernels before 6.5, which do not say. */
  readonly semaphore: boolean;
  /** The same for every descriptor of an eventfd; null on kernels that do not say it. */
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
