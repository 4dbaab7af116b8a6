// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DISABLED,
  message,
  packedMemory,
  peerFeatures,
  placedMemory,
  queueStop,
  remoteQueues,
} from '../../test/support/fake-vhost-pci.ts';
import { controlBufferBytes, encodeQueueStopped, parseMessage } from './control-decode.ts';

const limits = { queuePairs: 2, session: true };
const reason = (bytes: Uint8Array, session = true) => {
  const parsed = parseMessage(bytes, { ...limits, session });
  return parsed.type === 'malformed' ? parsed.reason : parsed.type;
};
const MIB = 1n << 20n;
const four = (change = {}) => [0, 1, 2, 3].map(() => ({ ...DISABLED, ...change }));

describe('control messages', () => {
  it('place packed regions back to back in BAR 2', () => {
    const bytes = packedMemory([
      { gpa: 0n, size: MIB },
      { gpa: 1n << 32n, size: 2n * MIB },
    ]);
    expect(parseMessage(bytes, limits)).toEqual({
      type: 'memory',
      regions: [
        { gpa: 0n, size: MIB, window: 2, offset: 0n },
        { gpa: 1n << 32n, size: 2n * MIB, window: 2, offset: MIB },
      ],
    });
  });

  it('put placed regions at their offsets', () => {
    const place = { gpa: 0xc_0000n, size: MIB, offset: 0xc_0000n };
    expect(parseMessage(placedMemory([{ ...place, bar: 4 }]), limits)).toEqual({
      type: 'memory',
      regions: [{ ...place, window: 4 }],
    });
  });

  it('may hold no regions', () => {
    expect(parseMessage(packedMemory([]), limits)).toEqual({ type: 'memory', regions: [] });
  });

  it('describe queues', () => {
    const ring = { enable: 1, num: 256, desc: 1n, avail: 2n, used: 3n, last: 77 };
    const parsed = parseMessage(remoteQueues([ring, DISABLED, DISABLED, DISABLED]), limits);
    expect(parsed).toMatchObject({
      type: 'queues',
      queues: [{ lastAvailIdx: 77, enabled: true, num: 256 }, {}, {}, {}],
    });
  });

  it('hold features and stop queues', () => {
    expect(parseMessage(peerFeatures(1n << 40n), limits)).toEqual({
      type: 'peer-features',
      features: 1n << 40n,
    });
    expect(parseMessage(queueStop(3, 0xdead_beef), limits)).toEqual({
      type: 'queue-stop',
      index: 3,
      token: 0xdead_beef,
    });
  });

  it('hold an MTU and addresses to announce', () => {
    const mtu = (value: number) => message(2, 3, Uint8Array.of(value & 0xff, value >> 8, 0, 0));
    for (const value of [0, 68, 9000, 65_535])
      expect(parseMessage(mtu(value), limits)).toEqual({ type: 'peer-mtu', mtu: value });
    expect(parseMessage(mtu(67), limits)).toMatchObject({ type: 'malformed' });
    const mac = Uint8Array.of(2, 1, 2, 3, 4, 5);
    const announce = message(2, 4, Uint8Array.of(...mac, 0, 0));
    expect(parseMessage(announce, limits)).toEqual({ type: 'peer-announce', mac });
    for (const bad of [
      message(2, 4, Uint8Array.of(3, 1, 2, 3, 4, 5, 0, 0)),
      message(2, 4, Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 1)),
      message(2, 4, mac),
      message(2, 3, mac),
    ])
      expect(parseMessage(bad, limits)).toMatchObject({ type: 'malformed' });
    for (const known of [mtu(1500), announce])
      expect(parseMessage(known, { ...limits, session: false })).toMatchObject({ type: 'malformed' });
  });

  it('may be shorter than what the device wrote', () => {
    const bytes = new Uint8Array(600);
    bytes.set(queueStop(1, 2));
    expect(parseMessage(bytes, limits).type).toBe('queue-stop');
  });

  it('fit in the buffers of docs/device-abi.md', () => {
    expect(controlBufferBytes(1)).toBe(4 + 512);
    expect(controlBufferBytes(8)).toBe(4 + 640);
  });

  it('answer QUEUE_STOP with the index', () => {
    expect([...encodeQueueStopped(3, 0x1234, 0x55)]).toEqual([2, 2, 12, 0, 3, 0, 0x34, 0x12, 0x55, 0, 0, 0]);
  });
});

describe('malformed control messages', () => {
  const sized = (bytes: Uint8Array, size: number) => {
    const copy = bytes.slice();
    new DataView(copy.buffer).setUint16(2, size, true);
    return copy;
  };
  const region = { gpa: 0n, size: MIB, offset: 0n };
  const cases: [string, Uint8Array, RegExp][] = [
    ['nothing', new Uint8Array(0), /0 bytes are too few for a header/],
    ['half a header', new Uint8Array(3), /3 bytes are too few for a header/],
    ['a size below the header', sized(queueStop(0, 0), 3), /size 3/],
    ['a size beyond what was written', sized(queueStop(0, 0), 13), /size 13 in a message of 12/],
    ['an unknown class', message(3, 0, new Uint8Array(0)), /class 3/],
    ['an unknown REMOTE_MEM command', message(0, 2, new Uint8Array(0)), /REMOTE_MEM command 2/],
    ['an unknown REMOTE_QUEUES command', message(1, 1, new Uint8Array(160)), /class 1 command 1/],
    ['an unknown SESSION command', message(2, 9, new Uint8Array(0)), /SESSION command 9/],
    ['an answer from the device', message(2, 2, new Uint8Array(8)), /SESSION command 2/],
    ['half a packed region', message(0, 0, new Uint8Array(24)), /REMOTE_MEM of 24 bytes/],
    ['half a placed region', message(0, 1, new Uint8Array(48)), /REMOTE_MEM of 48 bytes/],
    ['too many regions', message(0, 0, new Uint8Array(17 * 16)), /17 regions/],
    ['a region of size 0', placedMemory([{ ...region, size: 0n }]), /0 bytes/],
    ['a region that wraps', placedMemory([{ ...region, gpa: (1n << 64n) - 1n }]), /region of/],
    ['a region beyond any BAR', placedMemory([{ ...region, offset: (1n << 64n) - 1n }]), /offset/],
    ['packed regions whose sizes overflow', packedMemory([{ gpa: 0n, size: 1n << 62n }]), /offset/],
    ['a region in BAR 0', placedMemory([{ ...region, bar: 0 }]), /BAR 0/],
    ['a region in BAR 3', placedMemory([{ ...region, bar: 3 }]), /BAR 3/],
    ['regions that overlap', placedMemory([region, { ...region, gpa: MIB - 1n }]), /overlap/],
    ['a region twice', placedMemory([region, region]), /overlap/],
    ['too few queues', remoteQueues(four().slice(1)), /REMOTE_QUEUES of 120 bytes for 4/],
    ['too many queues', remoteQueues([...four(), DISABLED]), /REMOTE_QUEUES of 200/],
    ['no queues', remoteQueues([]), /REMOTE_QUEUES of 0/],
    ['features of 4 bytes', message(2, 0, new Uint8Array(4)), /PEER_FEATURES of 4/],
    ['a stop of 4 bytes', message(2, 1, new Uint8Array(4)), /QUEUE_STOP of 4/],
    ['a stop of a queue out of range', queueStop(4, 0), /QUEUE_STOP of queue 4/],
  ];
  it.each(cases)('are reported: %s', (_, bytes, expected) => {
    expect(reason(bytes)).toMatch(expected);
  });

  it('include those of SESSION if it is not negotiated', () => {
    expect(reason(queueStop(0, 0), false)).toMatch(/unknown class 2/);
    expect(reason(placedMemory([region]), false)).toMatch(/REMOTE_MEM command 1/);
    expect(reason(packedMemory([region]), false)).toBe('memory');
  });

  it('never make the parser throw', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 700 }),
      fc
        .tuple(fc.nat(3), fc.nat(3), fc.uint8Array({ maxLength: 700 }))
        .map(([cls, cmd, payload]) => message(cls, cmd, payload)),
    );
    fc.assert(
      fc.property(bytes, fc.boolean(), (given, session) => {
        expect(parseMessage(given, { queuePairs: 2, session })).toHaveProperty('type');
      }),
      { numRuns: 2000 },
    );
  });
});
