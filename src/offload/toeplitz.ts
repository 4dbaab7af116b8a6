// SPDX-License-Identifier: BSD-3-Clause
// The Toeplitz hash of "Verifying the RSS Hash Calculation" (Microsoft), by tables: the hash of some bytes is
// the exclusive or of what each contributes at its place.

/** Bytes of a key, and of the longest input: two IPv6 addresses and two ports. */
export const RSS_KEY_LENGTH = 40;
export const RSS_INPUT_LENGTH = 36;

/** For each place of the input, what each of the 256 values contributes. */
export function toeplitzTable(key: Uint8Array): Int32Array {
  const table = new Int32Array(RSS_INPUT_LENGTH * 256);
  for (let place = 0; place < RSS_INPUT_LENGTH; place++) {
    for (let value = 0; value < 256; value++) {
      let hash = 0;
      for (let bit = 0; bit < 8; bit++) if ((value << bit) & 0x80) hash ^= keyWindow(key, place * 8 + bit);
      table[place * 256 + value] = hash;
    }
  }
  return table;
}

/** 32 bits of the key from a bit on. */
function keyWindow(key: Uint8Array, bit: number): number {
  const at = bit >>> 3;
  const shift = bit & 7;
  const word = (key[at] << 24) | (key[at + 1] << 16) | (key[at + 2] << 8) | key[at + 3];
  return shift === 0 ? word : (word << shift) | (key[at + 4] >>> (8 - shift));
}

/**
 * HOT. What `length` bytes at `from` contribute as the input's bytes from `place` on. Signed, as V8 boxes
 * larger numbers.
 */
export function toeplitzPart(
  table: Int32Array,
  bytes: Uint8Array,
  from: number,
  length: number,
  place: number,
): number {
  let hash = 0;
  for (let i = 0; i < length; i++) hash ^= table[(place + i) * 256 + bytes[from + i]];
  return hash;
}
