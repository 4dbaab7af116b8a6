// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { PmdError } from '../../src/errors.ts';
import { TRAFFIC_BOUND_MS, untilTraffic } from './until-traffic.ts';

const noTraffic = () => new PmdError('VPCI_NO_TRAFFIC', 'no packet passed');

it('regression: a window without packets is followed by a longer one', async () => {
  const windows: number[] = [];
  const result = await untilTraffic(0.2, async (seconds) => {
    windows.push(seconds);
    if (windows.length < 4) throw noTraffic();
    return 'packets';
  });
  expect([result, windows]).toEqual(['packets', [0.2, 0.4, 0.8, 1.6]]);
});

it('a side that never moves a packet is given up after a while', async () => {
  let now = 0;
  const measure = async (seconds: number) => {
    now += 1000 * seconds;
    throw noTraffic();
  };
  await expect(untilTraffic(1, measure, () => now)).rejects.toThrow('no packet passed');
  expect(now).toBeGreaterThanOrEqual(TRAFFIC_BOUND_MS);
  expect(now).toBeLessThan(4 * TRAFFIC_BOUND_MS);
});

it('any other error is passed on at once', async () => {
  let times = 0;
  const measure = async () => {
    times++;
    throw new Error('the back-end ended');
  };
  await expect(untilTraffic(1, measure)).rejects.toThrow('the back-end ended');
  expect(times).toBe(1);
});
