// SPDX-License-Identifier: BSD-3-Clause
import { fc, test } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import { internetChecksum } from '../../src/packet/checksum.ts';
import { UDP_FRAME_HEADERS } from '../../src/packet/frames.ts';
import { MAX_FRAME, MIN_FRAME } from './memory-plan.ts';
import { defaultFlow, frameTemplate } from './traffic.ts';

describe('the frame template', () => {
  test.prop([fc.integer({ min: MIN_FRAME, max: MAX_FRAME }), fc.nat(127)])(
    'is a valid UDP packet',
    (size, pair) => {
      const frame = frameTemplate(size, defaultFlow(pair));
      const view = new DataView(frame.buffer);
      expect(frame).toHaveLength(size);
      expect(view.getUint16(12)).toBe(0x0800);
      expect(view.getUint16(16)).toBe(size - 14); // IPv4 total length
      expect(view.getUint16(38)).toBe(size - 34); // UDP length
      // RFC 1071: the sum over a header with its checksum is zero.
      expect(internetChecksum(frame, 14, 20)).toBe(0);
    },
  );

  it('has the header that other tools compute', () => {
    const hex = Buffer.from(frameTemplate(60, defaultFlow(1)).subarray(0, UDP_FRAME_HEADERS)).toString('hex');
    // Checksum of the IPv4 header by hand: ~(4500+002e+4011+c612+0001+c612+0002 folded) = ee97.
    expect(hex).toBe(
      '020000000002020000000001' +
        '0800' +
        '4500002e000000004011ee97c6120001c6120002' +
        'c00100090' +
        '01a0000',
    );
  });

  it('distinguishes queue pairs by the source port', () => {
    expect(frameTemplate(64, defaultFlow(0))).not.toEqual(frameTemplate(64, defaultFlow(1)));
  });

  it.each([0, 59, 9217, 64.5, Number.NaN])('refuses a frame of %d bytes', (size) => {
    expect(() => frameTemplate(size, defaultFlow(0))).toThrow(
      expect.objectContaining({ code: 'VPCI_FRAME_SIZE' }),
    );
  });
});
