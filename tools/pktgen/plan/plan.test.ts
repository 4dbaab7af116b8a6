// SPDX-License-Identifier: BSD-3-Clause
// What users write: rates, sizes, fields, streams; and that a mistake is one line that names it.
import { describe, expect, it } from 'vitest';
import { compileStream } from './compile.ts';
import { framesPerSecond, parseLine, parseRate, rateText } from './rate.ts';
import { meanSize, parseSizes } from './sizes.ts';
import { checkStreams } from './stream.ts';

const MACS = { srcMac: '02:00:00:00:00:02', dstMac: '02:00:00:00:00:01' };
const context = { meanSize: 64, line: 10e9, measured: 20e6 };

describe('a rate', () => {
  it.each([
    ['1000', 1000],
    ['1mpps', 1e6],
    ['2.5k', 2500],
    ['5.12gbps', 1e7],
    ['10tbps', 1e13 / 512],
    ['5.12gbps-l2', 1e7],
    ['7.04Gbps-l1', 1e7],
    ['50%', 5e9 / 704],
    ['50%line', 5e9 / 704],
    ['25%max', 5e6],
    ['max', Number.POSITIVE_INFINITY],
  ])('of %s at 64 bytes is %s frames a second', (text, pps) => {
    expect(framesPerSecond(parseRate(text, 'rate'), context)).toBeCloseTo(pps, 6);
  });

  it.each(['1000000000000', '11gpps', '10001gbps', '11tbps', '20000gbps-l1', '1001%', '2000%max'])(
    'regression: of %s is refused: no line carries it',
    (text) => {
      expect(() => parseRate(text, '--rate')).toThrow(`--rate: '${text}': no line carries more than 10`);
    },
  );

  it.each(['', '0', '0%', '-1', '1 mpps per', 'fast', '1e6', '10pbps'])('is not %j', (text) => {
    expect(() => parseRate(text, '--rate')).toThrow(/^--rate: .*(is not a rate|must be above 0)/);
  });

  it('of a line is bits', () => {
    expect(parseLine('25gbps')).toBe(25e9);
    expect(() => parseLine('1mpps')).toThrow("'1mpps' is not a speed");
  });

  it('has a text', () => {
    expect([2_500_000, 1500, 2, 0].map(rateText)).toEqual(['2.500 Mpps', '1.50 kpps', '2.0 pps', '0 pps']);
  });

  it('regression: 1000.00 kpps stood beside 1.000 Mpps', () => {
    expect([999_996, 999_994, 999.96, 999.94].map(rateText)).toEqual([
      ...['1.000 Mpps', '999.99 kpps', '1.00 kpps', '999.9 pps'],
    ]);
  });

  it('regression: is not shown as none where it is small', () => {
    expect([0.001, 0.25, 1.234e-7].map(rateText)).toEqual(['0.001 pps', '0.25 pps', '1.2e-7 pps']);
  });
});

const LEAST = { bytes: 56, headers: 'IPv4 and UDP' };

describe('sizes', () => {
  it('of a mix have their weights, spread over the pattern', () => {
    const { sizes } = parseSizes('imix', 'size', LEAST);
    expect(sizes).toHaveLength(12);
    expect(sizes.filter((size) => size === 570)).toHaveLength(4);
    expect(sizes.indexOf(1518)).toBeGreaterThan(2);
    expect(meanSize({ sizes })).toBeCloseTo((7 * 64 + 4 * 570 + 1518) / 12);
    expect(parseSizes('64,128', 'size', LEAST).sizes).toEqual([64, 128]);
  });

  it('of a range are counted in steps', () => {
    const plan = parseSizes('random:64-1518/2', 'size', LEAST);
    expect(plan.sizeRange).toEqual({ from: 64, to: 1518, step: 2, random: true });
    expect(meanSize(parseSizes('64-127/10', 'size', LEAST))).toBe(94);
  });

  it.each([
    ['20', '20 is not a size from 56 to 9018 bytes'],
    ['10000', '10000 is not a size'],
    ['100-64', "'100-64' runs backwards"],
    ['64-100/0', "'64-100/0': a step must be above 0"],
    ['7:', "'7:' is not a size"],
    ['0:64', "'0:64' is not a size"],
    ['big', "'big' is not a size"],
  ])('are not %s', (text, says) => {
    expect(() => parseSizes(text, '--size', LEAST)).toThrow(`--size: ${says}`);
  });
});

describe('imix', () => {
  const compiled = (stream: object) => compileStream({ size: 'imix', ...stream }, 0, MACS, 'stream 0: ', 1);

  it.each([
    [{ srcIp: '2001:2::1' }, 76, 'IPv6 and UDP'],
    [{ protocol: 'tcp' }, 68, 'IPv4 and TCP'],
    [{ protocol: 'tcp', srcIp: '2001:2::1', vlan: 5 }, 92, 'VLAN, IPv6 and TCP'],
  ])(
    'regression: of %j has its smallest frames as large as the headers need, and says so',
    (stream, least, what) => {
      const { plan, note } = compiled(stream);
      const { sizes } = plan.frame as { sizes: readonly number[] };
      expect([...new Set(sizes)].sort((a, b) => a - b)).toEqual([least, 570, 1518]);
      expect(note).toBe(
        `stream 0: size: the smallest frames of imix have ${least} bytes instead of 64, which ${what} need`,
      );
    },
  );

  it('is as it stands where 64 bytes hold the headers', () => {
    expect(compiled({}).note).toBeUndefined();
    expect(compiled({ vlan: 5 }).plan.frame).toMatchObject({ sizes: expect.arrayContaining([64]) });
  });
});

describe('a stream', () => {
  const wrong = (stream: object) => () => {
    checkStreams([stream], 'a.json');
    compileStream(stream, 0, MACS, 'a.json: stream 0: ', 1);
  };

  it.each([
    [{ sice: 64 }, "a.json: stream 0: unknown key 'sice'; did you mean 'size'?"],
    [{ protocol: 'sctp' }, "protocol must be 'udp' or 'tcp', not 'sctp'"],
    [{ destination: 1 }, "unknown key 'destination'; known: name, rate"],
    [{ burst: 0 }, 'burst must be a whole number from 1 to 65536, not 0'],
    [{ poisson: 1 }, 'poisson must be true or false, not 1'],
    [{ srcPort: [] }, 'srcPort must be a value, a range or a list, not []'],
    [{ dstPort: [[1]] }, 'dstPort must be a value, a range or a list, not [[1]]'],
    [{ dstPort: [1, null] }, 'dstPort must be a value, a range or a list, not [1,null]'],
    [{ srcPort: '70000' }, "srcPort: '70000' is not a port from 0 to 65535"],
    [{ srcIp: '10.0.0.300' }, "srcIp: '10.0.0.300' is not an IPv4 address"],
    [
      { srcIp: '10.0.0.0/24' },
      "'10.0.0.0/24' is not an IPv4 address such as 10.0.0.1; a network is given as a range: FIRST-LAST",
    ],
    [{ srcIp: '10.0.0.9-10.0.0.1' }, 'runs backwards'],
    [{ srcIp: '2001:2::1', dstIp: '10.0.0.1' }, "dstIp: '10.0.0.1' is not an IPv6 address"],
    [{ srcMac: '02:00:00:00:00:01-02:01:00:00:00:01' }, 'differs before its last 4 bytes'],
    [
      { protocol: 'tcp', tcpFlags: 'syn-ack' },
      "tcpFlags: 'syn-ack' is a range: it takes TCP flags such as syn+ack",
    ],
    [{ protocol: 'tcp', tcpFlags: 'random:none-cwr' }, "or none, or a list 'A,B,C'"],
    [{ vlan: 4096 }, "vlan: '4096' is not a VLAN"],
    [{ priority: 3 }, 'priority: there is no vlan'],
    [{ size: 20 }, 'size: 20 is not a size from 56'],
    [
      { size: 60, srcIp: '2001:2::1' },
      'size: 60 is not a size from 76 to 9018 bytes: IPv6 and UDP, with a number and a time, need 76',
    ],
  ])('is not %j', (stream, says) => {
    expect(wrong(stream)).toThrow(says);
    try {
      wrong(stream)();
    } catch (error) {
      expect((error as Error).message).not.toContain('\n');
    }
  });

  it('is one of an array', () => {
    expect(() => checkStreams({}, 'a.json')).toThrow('a.json: the streams must be an array');
    expect(() => checkStreams([3], 'a.json')).toThrow('a.json: stream 0: 3 is not an object');
    const named =
      (...names: (string | undefined)[]) =>
      () =>
        checkStreams(
          names.map((name) => (name === undefined ? {} : { name })),
          'a.json',
        );
    expect(named('a', 'b', 'a')).toThrow("a.json: streams 0 and 2 have one name, 'a'");
    expect(named('1', undefined)).toThrow(
      "a.json: streams 0 and 1 have one name, '1', the number of one without a name",
    );
    expect(named('1', 'b', undefined)).not.toThrow();
    expect(() => checkStreams(new Array(257).fill({}), 'a.json')).toThrow('257 streams are more than 256');
  });
});
