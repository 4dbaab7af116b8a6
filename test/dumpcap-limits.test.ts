// SPDX-License-Identifier: BSD-3-Clause
// Where vhost-pci-dumpcap ends, and where one file ends and the next begins: exactly where it was told,
// however fast packets come.
import { statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeCapture } from '../src/drivers/pcap/pcap.test-help.ts';
import { CaptureStage, Dumpcap, packetsOf } from './support/dumpcap.ts';
import { frameOf } from './support/section-files.ts';
import { until } from './support/wait.ts';

const KB = 1024;
/** A record of a frame of 64 bytes, with its head, its flags and its tail. */
const RECORD = 108;
/** What an interface's counts take at the end of a file, with some room. */
const COUNTS = 100;

let stage: CaptureStage;
beforeEach(() => {
  stage = new CaptureStage();
});
afterEach(() => stage.close());

/** Files of a capture that ends by itself: number in the series, and packets. */
async function series(...args: readonly string[]): Promise<[number, number][]> {
  const ended = await new Dumpcap(...args, '-w', stage.file('s.pcapng')).ended;
  expect(ended).toMatchObject({ code: 0 });
  return filesOf();
}

const filesOf = (): [number, number][] =>
  stage.files('s').map((path) => [Number(/_(\d{5})_/.exec(path)?.[1]), packetsOf(path).length]);

/** Packets in all files; NaN while one is being begun. */
function written(): number {
  try {
    return filesOf().reduce((sum, [, packets]) => sum + packets, 0);
  } catch {
    return Number.NaN;
  }
}

describe('at full rate', () => {
  beforeEach(async () => {
    const testpmd = await stage.start('net_null0');
    await testpmd.say('start');
  });

  it.each([
    ['-b packets:100 -a files:4', [1, 2, 3, 4].map((n) => [n, 100])],
    ['-b packets:100 -b files:2 -a files:3', [2, 3].map((n) => [n, 100])],
    [
      '-b packets:100 -a files:3 -c 250',
      [
        [1, 100],
        [2, 100],
        [3, 50],
      ],
    ],
    [
      '-b packets:100 -c 200',
      [
        [1, 100],
        [2, 100],
      ],
    ],
  ])('regression: %s writes exactly that', async (args, files) => {
    expect(await series(...args.split(' '))).toEqual(files);
  });

  it('regression: -a filesize: ends with the packet by which the file has its size', async () => {
    const path = stage.file('s.pcapng');
    expect((await new Dumpcap('-a', 'filesize:10', '-w', path).ended).code).toBe(0);
    expect(statSync(path).size).toBeGreaterThanOrEqual(10 * KB);
    expect(statSync(path).size).toBeLessThan(10 * KB + RECORD + COUNTS);
  });

  it('-b filesize: turns with that packet, too', async () => {
    await series('-b', 'filesize:10', '-a', 'files:3');
    const sizes = stage.files('s').map((path) => statSync(path).size);
    expect(sizes).toHaveLength(3);
    for (const size of sizes) expect(size).toBeGreaterThanOrEqual(10 * KB);
    for (const size of sizes) expect(size).toBeLessThan(10 * KB + RECORD + COUNTS);
  });

  it('-b duration: gives a file its time, and a capture its files', async () => {
    const files = await series('-b', 'duration:0.1', '-a', 'files:2');
    expect(files.map(([n]) => n)).toEqual([1, 2]);
    for (const [, packets] of files) expect(packets).toBeGreaterThan(0);
  });

  it('refuses a size of one file for a series', async () => {
    const { code, stderr } = await new Dumpcap('-b', 'packets:9', '-a', 'filesize:1', '-w', 'x').ended;
    expect([code, stderr]).toEqual([2, expect.stringMatching(/-a filesize: is of a single file[^\n]*\n$/)]);
  });
});

describe('where few packets come', () => {
  it.each([
    [10, '-b packets:10 -a files:2', [[1, 10]]],
    [10, '-b packets:5 -b files:2', [1, 2].map((n) => [n, 5])],
    [10, '-b duration:0.05 -b files:2', [[1, 10]]],
    [20, '-b packets:10 -a files:2', [1, 2].map((n) => [n, 10])],
  ])(
    'regression: of %i packets, %s makes no file for one that does not come',
    async (packets, args, files) => {
      writeCapture(
        stage.file('in.pcap'),
        Array.from({ length: packets }, (_, i) => frameOf(64, i)),
      );
      const testpmd = await stage.start(`net_pcap0,rx_pcap=${stage.file('in.pcap')}`);
      await testpmd.say('set fwd rxonly');
      const dumpcap = await new Dumpcap(...args.split(' '), '-w', stage.file('s.pcapng')).capturing();
      await testpmd.say('start');
      await until('all are written', () => written() === packets);
      await dumpcap.interrupt();
      expect(filesOf()).toEqual(files);
    },
  );
});
