// SPDX-License-Identifier: BSD-3-Clause
// Checksums of IPv4 headers, with options and without.
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { expect } from 'vitest';
import { readUint16BE, writeUint16BE } from '../../packet/bytes.ts';
import { internetChecksum } from '../../packet/checksum.ts';
import { IPV4 } from '../../packet/headers.ts';
import { setHeaderChecksum } from './sums.ts';

property.prop([fc.uint8Array({ minLength: 60, maxLength: 60 }), fc.nat({ max: 10 })])(
  'the checksum of a header is set, and told from a wrong one, with any number of options',
  (bytes, options) => {
    const end = IPV4.HEADER + 4 * options;
    const was = readUint16BE(bytes, IPV4.CHECKSUM);
    const expected = Uint8Array.from(bytes);
    writeUint16BE(expected, IPV4.CHECKSUM, 0);
    writeUint16BE(expected, IPV4.CHECKSUM, internetChecksum(expected, 0, end));
    const wrong = was % 0xffff !== readUint16BE(expected, IPV4.CHECKSUM) % 0xffff;
    expect([setHeaderChecksum(bytes, 0, end), bytes]).toEqual([wrong, expected]);
    expect(setHeaderChecksum(bytes, 0, end)).toBe(false);
  },
);
