// SPDX-License-Identifier: BSD-3-Clause
// All kinds of ring between the driver, the real device model and the built-in peer, and drivers that die
// under full traffic.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Stage } from './support/stage.ts';

const NO_FAULTS = /bad checksum 0 {2}out of sequence 0 {2}bad frames 0/;

let stage: Stage;

beforeEach(() => {
  stage = new Stage();
});

afterEach(async () => {
  await stage.close();
});

describe('every frame comes back, its contents unchanged', () => {
  const kinds = [[], ['--packed'], ['--event-idx'], ['--packed', '--event-idx']];
  const manners = [[], ['--no-in-order'], ['--no-mrg-rxbuf'], ['--no-in-order', '--no-mrg-rxbuf']];
  const legacy = [[], ['--event-idx'], ['--no-mrg-rxbuf'], ['--event-idx', '--no-mrg-rxbuf']];
  const cases = [
    ...kinds.flatMap((kind) => manners.map((manner) => [...kind, ...manner])),
    ...legacy.map((manner) => ['--legacy', ...manner]),
  ];

  it.each(cases.map((args) => [args.join(' ') || 'split', args] as const))('%s', async (_, args) => {
    await stage.startDevice();
    const port = stage.startPort();
    let count = 0;
    for (const [size, frames] of [
      [64, 20_000],
      [1514, 5000],
      [9000, 2000],
    ] as const) {
      // A packed ring may have any size.
      const entries = args.includes('--packed') ? '200' : '256';
      const peer = ['--size', `${size}`, '--count', `${frames}`, '--queue-size', entries, '--no-reconnect'];
      await stage.finished(stage.startPeer(...args, ...peer));
      count += frames;
    }
    expect(port.stats()).toMatchObject({ ipackets: count, opackets: count, ierrors: 0, oerrors: 0 });
  });
});

describe('every frame comes back on each of four queue pairs', () => {
  it.each(['--event-idx', '--packed --event-idx --no-in-order'])('%s', async (args) => {
    await stage.startDevice('--queues', '4');
    const port = stage.startPort();
    const peer = ['--queues', '4', '--count', '20000', '--no-reconnect'];
    await stage.finished(stage.startPeer(...args.split(' '), ...peer));
    const xstats = port.xstats();
    for (const queue of [0, 1, 2, 3]) {
      expect(xstats.get(`rx_q${queue}_good_packets`)).toBe(5000);
      expect(xstats.get(`tx_q${queue}_good_packets`)).toBe(5000);
    }
  });
});

describe('a driver killed under full traffic is replaced by another', () => {
  it.each([
    ['packed rings', ['--packed']],
    ['packed rings without order', ['--packed', '--no-in-order']],
    ['packed rings, frames over several buffers', ['--packed', '--no-in-order', '--size', '9000']],
    ['split rings with event indices', ['--event-idx', '--no-in-order']],
  ])('%s', async (_, args) => {
    const device = await stage.startDevice();
    const peer = stage.startPeer('--window', '64', ...args);
    for (let time = 0; time < 4; time++) {
      const driver = stage.run('test/support/echo-driver.ts', stage.path('vfio.sock'));
      await driver.printed('5000 packets');
      await driver.kill();
    }
    const driver = stage.run('test/support/echo-driver.ts', stage.path('vfio.sock'));
    await driver.printed('5000 packets');
    expect([device.running, peer.running]).toEqual([true, true]);
    await peer.kill('SIGTERM');
    expect(peer.output).toMatch(NO_FAULTS);
    expect(device.output).not.toMatch(/stays stopped|failed/);
  });
});
