// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { WorkerContext } from './context.ts';
import { CONTROL_WORDS, FIRST_POOL, STATS_WORDS } from './control.ts';

it('regression: a pool that is closed twice does not make the lcore forget another', () => {
  const control = new SharedArrayBuffer(4 * CONTROL_WORDS);
  const stats = new SharedArrayBuffer(8 * STATS_WORDS);
  const start = { lcoreId: 0, cpus: [0], module: '', control, stats, wakeFd: -1, ports: [], data: null };
  const lcore = new WorkerContext(start);
  const first = lcore.createPool({ count: 8, hugepages: false });
  first.close();
  const second = lcore.createPool({ count: 8, hugepages: false });
  first.close();
  expect(new Int32Array(control)[FIRST_POOL]).toBe(second.handle + 1);
  second.close();
  expect(new Int32Array(control)[FIRST_POOL]).toBe(0);
});
