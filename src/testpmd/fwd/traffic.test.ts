// SPDX-License-Identifier: BSD-3-Clause
// What txonly, flowgen and noisy do besides their defaults.
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { internetChecksum } from '../../packet/checksum.ts';
import { STREAM_DROPPED, STREAM_RX, STREAM_TX } from './engine.ts';
import { TestStream } from './stream.test-help.ts';
import { defaultTraffic } from './traffic.ts';
import { variationFault } from './tx-frames.ts';

const headerSum = (frame: Buffer) => internetChecksum(frame, 14, 20);
const frames = (...first: number[]) => first.map((byte) => new Uint8Array(60).fill(byte));
const firsts = (s: TestStream) => s.sent.map(({ bytes }) => bytes[20]);
const counts = ({ stream: { counters } }: TestStream) => [
  counters[STREAM_RX],
  counters[STREAM_TX],
  counters[STREAM_DROPPED],
];

describe('txonly', () => {
  it('has the addresses of --tx-ip and --tx-udp', () => {
    const traffic = { sourceIp: '10.1.2.3', destinationIp: '10.4.5.6', sourcePort: 7, destinationPort: 8 };
    const s = new TestStream({ mode: 'txonly', traffic });
    s.burst();
    const [{ bytes }] = s.sent;
    expect([...bytes.subarray(26, 34)]).toEqual([10, 1, 2, 3, 10, 4, 5, 6]);
    expect([bytes.readUInt16BE(34), bytes.readUInt16BE(36), headerSum(bytes)]).toEqual([7, 8, 0]);
    expect(s.close()).toBe(0);
  });

  it('has as many source ports as --txonly-flows, each with the lcore in its lower byte', () => {
    const s = new TestStream({ mode: 'txonly', traffic: { multiFlow: true, flows: 3 } });
    s.burst();
    s.burst();
    const flows = s.sent.map(({ bytes }) => bytes.readUInt16BE(34));
    expect(flows).toEqual([0xc001, 0xc101, 0xc201, 0xc001, 0xc101, 0xc201, 0xc001, 0xc101]);
    expect(s.close()).toBe(0);
  });

  property.prop([fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 6 })])(
    'sends the first segments, a random number of them, as whole packets with set txsplit rand',
    (more) => {
      const txSegments = [42, ...more];
      const totals = txSegments.map((_, i) => txSegments.slice(0, i + 1).reduce((sum, n) => sum + n, 0));
      const s = new TestStream({ mode: 'txonly', traffic: { split: 'rand' }, run: { txSegments } });
      for (let i = 0; i < 3; i++) expect(s.burst()).toBe(4);
      for (const { bytes, segments } of s.sent) {
        expect(bytes.length).toBe(totals[segments - 1]);
        expect([bytes.readUInt16BE(16), bytes.readUInt16BE(38)]).toEqual([
          bytes.length - 14,
          bytes.length - 34,
        ]);
        expect(headerSum(bytes)).toBe(0);
      }
      expect(s.close()).toBe(0);
    },
  );

  it('sends a burst when its time has come, and tells the time in its first packet', () => {
    const s = new TestStream({ mode: 'txonly', traffic: { interBurst: 2e6 }, plan: { txQueue: 5 } });
    const started = process.hrtime.bigint();
    let bursts = 0;
    while (bursts < 4) if (s.burst() > 0) bursts++;
    const took = Number(process.hrtime.bigint() - started);
    expect(took).toBeGreaterThan(4 * 2e6 * 0.99);
    const marks = s.sent.map(({ bytes }) => bytes.subarray(42, 58));
    expect(marks[0].readUInt32BE(0)).toBe(0xbeefc0de);
    expect(marks.map((mark) => mark.readUInt16BE(4))).toEqual([0, 1, 2, 3].flatMap(() => [0, 1, 2, 3]));
    expect(marks.every((mark) => mark.readUInt16BE(6) === 5)).toBe(true);
    const times = marks.map((mark) => mark.readBigUInt64BE(8));
    expect(Number(times[4] - times[0])).toBeCloseTo(2e6, -2);
    expect(times[1]).toBe(0n);
    expect(s.close()).toBe(0);
  });

  it('sends one packet after the other with gaps within a burst', () => {
    const s = new TestStream({ mode: 'txonly', traffic: { interBurst: 1000, intraBurst: 500 } });
    while (s.sent.length < 8) expect(s.burst()).toBeLessThan(2);
    const times = s.sent.map(({ bytes }) => Number(bytes.readBigUInt64BE(50)));
    const gaps = times.slice(1).map((time, i) => Math.round((time - times[i]) / 100) * 100);
    expect(gaps).toEqual([500, 500, 500, 1000, 500, 500, 500]);
    s.close();
  });

  it('says which segments are too short, in the words of testpmd', () => {
    const fault = (changes: object, lengths: number[]) =>
      variationFault({ ...defaultTraffic(), ...changes }, lengths);
    expect(fault({}, [20, 30])).toBeNull();
    expect(fault({ multiFlow: true }, [20, 30])).toMatch(
      /multiple flow is enabled, .*\[0\] 20 < 42 \(needed\)$/,
    );
    expect(fault({ split: 'rand', interBurst: 1 }, [50, 30])).toMatch(
      /^testpmd: Time stamp .* 50 < 58 \(needed\)$/,
    );
    expect(fault({ interBurst: 1 }, [50])).toMatch(
      /^testpmd: Not enough Tx segment .* total 50 < 58 \(needed\)$/,
    );
    expect(fault({ interBurst: 1 }, [50, 30])).toBeNull();
  });
});

describe('flowgen', () => {
  const destinations = (s: TestStream) => s.sent.map(({ bytes }) => bytes.readUInt32BE(30) - 0x0afd0000);

  it('sends packets to one destination after the other, and drops what it receives', () => {
    const s = new TestStream({ mode: 'flowgen', traffic: { flowgenFlows: 6 } });
    expect(s.burst(...frames(1, 2))).toBe(6);
    s.burst();
    expect(destinations(s)).toEqual([0, 1, 2, 3, 4, 5, 0, 1]);
    const [{ bytes }] = s.sent;
    expect(bytes.length).toBe(60);
    expect([...bytes.subarray(0, 12)]).toEqual([0, 1, 2, 3, 4, 1, 0, 1, 2, 3, 4, 0]);
    expect([bytes.readUInt16BE(16), bytes.readUInt16BE(34), bytes.readUInt16BE(36)]).toEqual([
      46, 1000, 1001,
    ]);
    expect(counts(s)).toEqual([2, 8, 0]);
    expect(s.close()).toBe(0);
  });

  property.prop([fc.integer({ min: 1, max: 0x7fffffff })])('has a right checksum in any flow', (flows) => {
    const s = new TestStream({ mode: 'flowgen', traffic: { flowgenFlows: flows } });
    (s.stream.state as { next: number }).next = flows - 1;
    s.burst();
    for (const { bytes } of s.sent) expect(headerSum(bytes)).toBe(0);
    expect(s.sent[0].bytes.readUInt32BE(30)).toBe((0x0afd0000 + flows - 1) % 2 ** 32);
    s.close();
  });

  it('repeats each packet as often as --flowgen-clones says', () => {
    const s = new TestStream({ mode: 'flowgen', traffic: { flowgenClones: 2 }, run: { burst: 7 } });
    s.burst();
    expect(destinations(s)).toEqual([0, 0, 0, 3, 3, 3, 6]);
    s.close();
  });

  it('goes on with the flows that were not sent', () => {
    const s = new TestStream({ mode: 'flowgen', traffic: { flowgenFlows: 3 }, limit: 1 });
    for (let i = 0; i < 4; i++) s.burst();
    expect(destinations(s)).toEqual([0, 1, 2, 0]);
    expect(counts(s)).toEqual([0, 4, 12]);
    expect(s.close()).toBe(0);
  });
});

describe('noisy', () => {
  const noisy = (changes: object) => ({ noisy: { ...defaultTraffic().noisy, ...changes } });

  it('passes packets on at once where none are to wait, after its lookups', () => {
    const traffic = noisy({ memory: 1, writes: 3, reads: 2, readsWrites: 1 });
    const s = new TestStream({ mode: 'noisy', traffic });
    expect(s.burst(...frames(1, 2))).toBe(2);
    expect(firsts(s)).toEqual([1, 2]);
    const { memory } = s.stream.state as { memory: Uint8Array };
    const written = memory.reduce((sum, byte) => sum + (byte === 0 ? 0 : 1), 0);
    expect(written).toBeGreaterThan(4);
    expect(written).toBeLessThanOrEqual(8);
    expect(s.close()).toBe(0);
  });

  property.prop([fc.constantFrom(2, 4, 8, 16), fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 20 })])(
    'keeps the newest packets and sends the others in order',
    (bufferSize, bursts) => {
      const s = new TestStream({ mode: 'noisy', traffic: noisy({ bufferSize }) });
      let next = 0;
      for (const n of bursts) s.burst(...frames(...Array.from({ length: n }, () => ++next)));
      const [received, sent, dropped] = counts(s);
      expect(received).toBe(next);
      expect(sent).toBe(s.sent.length);
      expect(received - sent - dropped).toBe(Math.min(next, bufferSize - 1));
      expect(firsts(s)).toEqual([...firsts(s)].sort((a, b) => a - b));
      expect(s.close()).toBe(0);
    },
  );

  it('sends what waits after the flush time', () => {
    const s = new TestStream({ mode: 'noisy', traffic: noisy({ bufferSize: 16, flushTime: 1 }) });
    s.burst(...frames(1, 2, 3));
    while (s.sent.length === 0) s.burst();
    expect(firsts(s)).toEqual([1, 2, 3]);
    expect(s.close()).toBe(0);
  });

  it.each([
    ['mac', '02000000000b02000000000a'],
    ['macswap', '010101010101010101010101'],
  ])('changes packets as mode %s', (forwardMode, addresses) => {
    const s = new TestStream({ mode: 'noisy', traffic: noisy({ forwardMode }) });
    s.burst(...frames(1));
    expect(s.sent[0].bytes.toString('hex', 0, 12)).toBe(addresses);
    s.close();
  });
});
