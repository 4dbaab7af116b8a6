// SPDX-License-Identifier: BSD-3-Clause
// Tells from its first bytes which of the two protocols a connection speaks, so that a client at the wrong
// socket is recognized at once instead of waiting for a reply that never comes.
import { decode } from '../../../src/abi/layout.ts';
import {
  VFIO_USER,
  VFIO_USER_F_TYPE_COMMAND,
  VFIO_USER_F_TYPE_MASK,
  VFIO_USER_HEADER,
  VFIO_USER_MAX_MESSAGE,
} from '../../../src/abi/vfio-user.ts';
import {
  VHOST_USER_HEADER,
  VHOST_USER_NEED_REPLY_MASK,
  VHOST_USER_VERSION,
  VHOST_USER_VERSION_MASK,
} from '../../../src/abi/vhost-user.ts';

/** Reasons for closing such a connection. */
export const SPEAKS_VHOST_USER = 'it speaks vhost-user';
export const SPEAKS_VFIO_USER = 'it speaks vfio-user';

export interface Sockets {
  readonly vhostUser: string;
  readonly vfioUser: string;
}

/**
 * The reason why a connection ended; for the two above, extended by the socket that the client should have
 * used.
 */
export function explainStray(reason: string, { vhostUser, vfioUser }: Sockets): string {
  if (reason === SPEAKS_VHOST_USER)
    return `${reason}: this is the vfio-user socket ${vfioUser}, peers connect to ${vhostUser}`;
  if (reason === SPEAKS_VFIO_USER)
    return `${reason}: this is the vhost-user socket ${vhostUser}, drivers connect to ${vfioUser}`;
  return reason;
}

/** Leading bytes that distinguish a vhost-user message from vfio-user: fewer than a vfio-user header. */
export const VHOST_USER_MARK_BYTES = VHOST_USER_HEADER.fields.size.offset;

/**
 * Whether these VHOST_USER_MARK_BYTES begin a vhost-user request. Its request number is below 2^16, so the
 * field where vfio-user has the command, which starts at 1, is 0; its flags are where vfio-user has the
 * message size, which is at least 16.
 */
export function beginsVhostUser(head: DataView): boolean {
  const request = head.getUint32(VHOST_USER_HEADER.fields.request.offset, true);
  const flags = head.getUint32(VHOST_USER_HEADER.fields.flags.offset, true);
  const known = VHOST_USER_VERSION_MASK | VHOST_USER_NEED_REPLY_MASK;
  return (
    request > 0 &&
    request < 0x10000 &&
    (flags & VHOST_USER_VERSION_MASK) === VHOST_USER_VERSION &&
    (flags & ~known) === 0
  );
}

/**
 * Whether a header of vhost-user's length begins vfio-user's first message, VERSION. No vhost-user request
 * has a number that high.
 */
export function beginsVfioUser(head: DataView): boolean {
  const { command, size, flags } = decode(VFIO_USER_HEADER, padded(head));
  return (
    command === VFIO_USER.VERSION &&
    size >= VFIO_USER_HEADER.size &&
    size <= VFIO_USER_MAX_MESSAGE &&
    (flags & VFIO_USER_F_TYPE_MASK) === VFIO_USER_F_TYPE_COMMAND
  );
}

/** Pads the head to a vfio-user header, whose error field lies beyond the end of a vhost-user header. */
function padded(head: DataView): DataView {
  const whole = new Uint8Array(VFIO_USER_HEADER.size);
  whole.set(new Uint8Array(head.buffer, head.byteOffset, Math.min(head.byteLength, whole.length)));
  return new DataView(whole.buffer);
}
