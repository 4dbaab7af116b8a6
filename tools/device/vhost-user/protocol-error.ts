// SPDX-License-Identifier: BSD-3-Clause
// What the other side of a socket did wrong. The message completes "peer: …" in one log line.
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtocolError';
  }
}
