// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import type { QueueSpec } from '../ethdev/port.ts';
import { WorkerContext } from './context.ts';
import { controlLayout, type LcoreStart, STATS_WORDS } from './control.ts';

it('regression: closing a pool twice does not make the lcore forget another', () => {
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

/** A port with one receive queue that the driver finds gone, because the port is closed meanwhile. */
function closingPort(): LcoreStart {
  const owners = new SharedArrayBuffer(8);
  const spec = (): QueueSpec => ({
    driver: 'net_null',
    role: 'rx',
    port: 0,
    queue: 0,
    get data(): never {
      new Int32Array(owners).fill(-1);
      throw new RangeError('no such queue: 7');
    },
  });
  const ports = [{ rx: [spec()], tx: [], owners, txOwners: 1 }];
  const control = new SharedArrayBuffer(4 * controlLayout(ports).words);
  const stats = new SharedArrayBuffer(8 * STATS_WORDS);
  return { lcoreId: 0, owner: 1, cpus: [0], module: '', control, stats, wakeFd: -1, ports, data: null };
}

it('regression: closing a port while its queue is being opened is VPCI_CLOSED', () => {
  expect(() => new WorkerContext(closingPort()).rxQueue(0)).toThrow(
    expect.objectContaining({
      code: 'VPCI_CLOSED',
      message: 'Failed to open RX queue 0 of port 0: the port is closed',
    }),
  );
});

it.each(['0', null, {}, -1, 1.5, Symbol('x')])('regression: %o is not a port or queue number', (wrong) => {
  const lcore = new WorkerContext(closingPort());
  const refused = expect.objectContaining({ code: 'VPCI_ARGUMENT' });
  for (const [port, queue] of [
    [wrong, 0],
    [0, wrong],
  ] as [number, number][]) {
    expect(() => lcore.rxQueue(port, queue)).toThrow(refused);
    expect(() => lcore.txQueue(port, queue)).toThrow(refused);
  }
});
