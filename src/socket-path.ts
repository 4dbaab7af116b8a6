// SPDX-License-Identifier: BSD-3-Clause
// The limit of a UNIX socket's path, which is shorter than that of a file: 108 bytes of sun_path, the last of
// them 0 (unix(7)).

export const SOCKET_PATH_BYTES = 107;

/** Why a socket cannot have this path, as the end of a sentence; null if it can. */
export function socketPathFault(path: string): string | null {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_BYTES) return null;
  return `the path of a socket has at most ${SOCKET_PATH_BYTES} bytes, and this one has ${bytes}`;
}
