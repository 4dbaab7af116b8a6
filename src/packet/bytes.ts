// SPDX-License-Identifier: BSD-3-Clause
// Fields of packets, in network byte order. Nothing here allocates, as a DataView or a subarray would.

/** HOT. The 16-bit field at `at`, 0 to 65535. */
export function readUint16BE(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

/**
 * HOT. The 32-bit field at `at`. Signed, since V8 boxes larger numbers where it passes them between
 * functions.
 */
export function readInt32BE(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

/** HOT. Stores the lower 16 bits of `value`. */
export function writeUint16BE(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** HOT. Stores the lower 32 bits of `value`. */
export function writeInt32BE(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** HOT. Exchanges `length` bytes at `a` with those at `b`, which must not overlap. */
export function swapBytes(bytes: Uint8Array, a: number, b: number, length: number): void {
  for (let i = 0; i < length; i++) {
    const byte = bytes[a + i];
    bytes[a + i] = bytes[b + i];
    bytes[b + i] = byte;
  }
}

/**
 * HOT. Copies `length` bytes from `from` to `to`. For fields of a few bytes; `copyWithin` is faster for more.
 */
export function copyBytes(bytes: Uint8Array, to: number, from: number, length: number): void {
  for (let i = 0; i < length; i++) bytes[to + i] = bytes[from + i];
}

/** HOT. Whether the `length` bytes at `at` are all 0. */
export function isZero(bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[at + i] !== 0) return false;
  return true;
}
