// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { WorkerContext } from './context.ts';
import { controlLayout, STATS_WORDS } from './control.ts';

it('regression: a pool that is closed twice does not make the lcore forget another', () => {
  const control = new SharedArrayBuffer(4 * controlLayout([]).words);
  const stats = new SharedArrayBuffer(8 * STATS_WORDS);
  const start = {
    lcoreId: 0,
    owner: 1,
    cpus: [0],
    module: '',
    control,
    stats,
    wakeFd: -1,
    ports: [],
    data: null,
  };
  const lcore = new WorkerContext(start);
  const first = lcore.createPool({ count: 8, hugepages: false });
  first.close();
  const second = lcore.createPool({ count: 8, hugepages: false });
  first.close();
  expect(new Int32Array(control)[controlLayout([]).pools.first]).toBe(second.handle + 1);
  second.close();
  expect(new Int32Array(control)[controlLayout([]).pools.first]).toBe(0);
});
