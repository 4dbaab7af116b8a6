// SPDX-License-Identifier: BSD-3-Clause
// A refusal of a vfio-user command: the errno that goes into the error reply.
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
