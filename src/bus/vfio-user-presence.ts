// SPDX-License-Identifier: BSD-3-Clause
// Non-blocking check whether a free device answers at a vfio-user socket, for callers that wait for one. It
// sends a driver's VERSION message, and disconnects before it resolves, so that a driver may connect at once.
import { connect } from 'node:net';
import { decode, encode } from '../abi/layout.ts';
import { VFIO_USER, VFIO_USER_F_ERROR, VFIO_USER_HEADER, VFIO_USER_VERSION } from '../abi/vfio-user.ts';

const TIMEOUT_MS = 1000;

/** False if there is no socket, no server listens or answers there, or another driver has the device. */
export function vfioUserAnswers(path: string, timeoutMs = TIMEOUT_MS): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    let head = Buffer.alloc(0);
    let good = false;
    const timer = setTimeout(() => {
      good = false;
      socket.destroy();
    }, timeoutMs);
    socket.on('connect', () => socket.write(greeting()));
    socket.on('data', (bytes: Buffer) => {
      if (head.length >= VFIO_USER_HEADER.size) return;
      head = Buffer.concat([head, bytes]);
      if (head.length < VFIO_USER_HEADER.size) return;
      good = isWelcome(head);
      // The device closes its side after it has dropped our connection.
      socket.end();
    });
    socket.on('error', () => {
      good = false;
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(good);
    });
  });
}

function greeting(): Uint8Array {
  const json = new TextEncoder().encode('{}\0');
  const size = VFIO_USER_HEADER.size + VFIO_USER_VERSION.size + json.length;
  const message = new Uint8Array(size);
  const header = { id: 0, command: VFIO_USER.VERSION, size, flags: 0, error: 0 };
  encode(VFIO_USER_HEADER, header, new DataView(message.buffer));
  message.set(json, VFIO_USER_HEADER.size + VFIO_USER_VERSION.size);
  return message;
}

function isWelcome(head: Buffer): boolean {
  const { command, flags } = decode(
    VFIO_USER_HEADER,
    new DataView(head.buffer, head.byteOffset, VFIO_USER_HEADER.size),
  );
  return command === VFIO_USER.VERSION && (flags & VFIO_USER_F_ERROR) === 0;
}
