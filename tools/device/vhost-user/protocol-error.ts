// SPDX-License-Identifier: BSD-3-Clause
// A mistake of the client at the other end of a socket. The message completes a log line that begins with the
// request's name.
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtocolError';
  }
}
