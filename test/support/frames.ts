// SPDX-License-Identifier: BSD-3-Clause
// Frames for a peer that sends them from a file, and the result of macswap on them.

/**
 * `count` frames with sizes spread evenly from `min` to `max`; their contents differ from each other and
 * between `mark`s.
 */
export function makeFrames(count: number, min: number, max: number, mark = 0): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const frame = new Uint8Array(min + Math.round(((max - min) * i) / (count - 1)));
    for (let k = 0; k < frame.length; k++) frame[k] = (i * 31 + k * 7 + (k >> 8)) & 0xff;
    frame.set([0x02, 0, 0, 0, i >> 8, i & 0xff], 0);
    frame.set([0x06, 1, 2, 3, i >> 8, i & 0xff], 6);
    frame.set([0x88, 0xb5, mark], 12);
    return frame;
  });
}

export function swapped(frame: Uint8Array): Buffer {
  return Buffer.concat([frame.subarray(6, 12), frame.subarray(0, 6), frame.subarray(12)]);
}
