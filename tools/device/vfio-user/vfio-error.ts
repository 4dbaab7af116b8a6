// SPDX-License-Identifier: BSD-3-Clause
// A refused vfio-user command: carries the errno for the error reply.
import { constants } from 'node:os';

export const { EINVAL, EEXIST, ENOENT, ENOSPC, EBUSY, EIO, ENOSYS } = constants.errno;

export class VfioError extends Error {
  readonly errno: number;

  constructor(errno: number, message: string) {
    super(message);
    this.name = 'VfioError';
    this.errno = errno;
  }
}
