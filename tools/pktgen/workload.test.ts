// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import type { Stream } from './plan/stream.ts';
import { Workload } from './workload.ts';

const MACS = { srcMac: '02:00:00:00:00:02', dstMac: '02:00:00:00:00:01' };
const OPTIONS = { rate: '100kpps', line: 10e9, where: '', macs: MACS, seed: 1 };
const workload = (streams: readonly Stream[], rate = '100kpps') => Workload.of(streams, { ...OPTIONS, rate });

/** Mean bytes of a frame at the rates that the streams have. */
const meanOf = (streams: readonly Stream[], rate?: string) => {
  const of = workload(streams, rate);
  return of.meanSizeAt(of.pps());
};

it('regression: the mean size is that of the frames, not of the streams', () => {
  const streams = [
    { rate: '1kpps', size: 64 },
    { rate: '9kpps', size: 1500 },
  ];
  expect(meanOf(streams)).toBeCloseTo(1356.4);
});

it('regression: a mean size looked like that of every frame', () => {
  const text = (...streams: Stream[]) => {
    const of = workload(streams);
    return of.sizeTextAt(of.pps());
  };
  expect([text({}), text({ size: 100 }, { size: 100 })]).toEqual(['64 bytes', '100 bytes']);
  expect(text({ size: 'imix' })).toBe('354 bytes on average');
  expect([text({ size: 64 }, { size: 66 }), text({ size: '64-66' })]).toEqual(
    new Array(2).fill('65 bytes on average'),
  );
});

it('regression: a mistake names its stream by its name too, and a note as well', () => {
  const tcp = { name: 'own', protocol: 'tcp' } as const;
  const given = (size: string) => Workload.of([{}, { ...tcp, size }], { ...OPTIONS, where: 'a.json' });
  expect(() => given('64')).toThrow('a.json: stream 1 (own): size: 64 is not a size from 68 to 9018 bytes: ');
  expect(given('imix').notes).toEqual([
    'a.json: stream 1 (own): size: the smallest frames of imix have 68 bytes instead of 64, which IPv4 and TCP need',
  ]);
});

it('the mean size is that of all streams alike where they are sent alike', () => {
  expect(meanOf([{ size: 64 }, { size: 1500 }])).toBe(782);
  expect(meanOf([{ size: 64 }, { size: 1500 }], 'max')).toBe(782);
});

it('streams of equal bits have a mean size near that of the smallest, of which there are most', () => {
  expect(meanOf([{ size: 100 }, { size: 900 }], '50%')).toBeLessThan(200);
});

it('regression: streams that no line carries together were sent', () => {
  const rates = (...all: string[]) => all.map((rate) => ({ rate }));
  const says = (most: string) => `no line carries more than ${most}; or take max`;
  expect(() => workload(rates('10gpps', '10gpps'))).toThrow(says('10gpps'));
  expect(() => workload(rates('6tbps', '5tbps-l1'))).toThrow(says('10tbps'));
  expect(() => workload(rates('600%', '500%'))).toThrow(says('1000%'));
  expect(() => workload([{ rate: '9gpps' }, {}, {}], '2gpps')).toThrow(says('10gpps'));
  expect(() => Workload.of(rates('9gpps', '9gpps'), { ...OPTIONS, where: 'a.json' })).toThrow(/^a\.json: /);
  const fits = workload([...rates('5gpps', '4gpps', '10tbps', '1000%'), {}, {}], '1gpps');
  expect(() => fits.setRate('6gpps', 1)).toThrow(says('10gpps'));
  fits.setRate('5gpps', 0);
});
