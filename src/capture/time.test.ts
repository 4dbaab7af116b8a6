// SPDX-License-Identifier: BSD-3-Clause
import { fc, test } from '@fast-check/vitest';
import { describe, expect, it } from 'vitest';
import { captureFolder, memory, readAll } from './capture.test-help.ts';
import { PcapngWriter } from './pcapng-writer.ts';
import { highNanoseconds, lowNanoseconds, readTime } from './time.ts';
import { writePacket } from './writer.ts';

const word = fc.integer({ min: 0, max: 0xffff_ffff });

describe('times', () => {
  test.prop([word, word, fc.constantFrom(1, 1e3, 1e6, 1e9, 2 ** 20, 2 ** 32, 1e11, 1e12, 2 ** 50)])(
    'of any unit are exact',
    (high, low, perSecond) => {
      const time = { seconds: 0, nanoseconds: 0 };
      readTime(time, high, low, { perSecond, offset: 0 });
      const count = (BigInt(high) << 32n) | BigInt(low);
      const unit = BigInt(perSecond);
      expect(time.seconds).toBe(Number(count / unit));
      expect(time.nanoseconds).toBe(Number(((count % unit) * 1_000_000_000n) / unit));
    },
  );

  test.prop([word, fc.integer({ min: 0, max: 999_999_999 })])(
    'are counted in nanoseconds',
    (seconds, rest) => {
      const count = BigInt(seconds) * 1_000_000_000n + BigInt(rest);
      expect(highNanoseconds(seconds, rest)).toBe(Number(count >> 32n));
      expect(lowNanoseconds(seconds, rest)).toBe(Number(count & 0xffff_ffffn));
    },
  );

  it('of an interface start where its offset says', () => {
    const { sink, bytes } = memory();
    const writer = new PcapngWriter({ sink, interfaces: [{}] });
    const header = { length: 0, originalLength: 0, interfaceId: 0, direction: 'in' } as const;
    writePacket(writer, { ...header, seconds: 3, nanoseconds: 4 }, new Uint8Array(0));
    writer.flush();
    const all = bytes();
    // The interface, at 32, has one option of 8 bytes before the end: an offset of 12 bytes goes between.
    const offset = Buffer.from([14, 0, 8, 0, 100, 0, 0, 0, 0, 0, 0, 0]);
    const longer = Buffer.concat([all.subarray(0, 56), offset, all.subarray(56)]);
    longer.writeUInt32LE(44, 36);
    longer.writeUInt32LE(44, 72);
    const folder = captureFolder();
    expect(readAll(folder.file(longer)).packets).toMatchObject([{ seconds: 103, nanoseconds: 4 }]);
  });
});
