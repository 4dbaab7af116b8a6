// SPDX-License-Identifier: BSD-3-Clause
// The contract of every port driver, part two: what may be called when, which lcore has a queue, and events.
import { describe, expect, it } from 'vitest';
import type { PmdErrorCode } from '../errors.ts';
import type { Port, PortConfig, PortEvent, PortLink } from '../ethdev/port.ts';
import { WorkerContext } from '../lcore/context.ts';
import { controlLayout, type LcoreStart, newOwner, queuesOf, STATS_WORDS } from '../lcore/control.ts';
import { benches, QUEUES, Stand } from './port-contract.test-help.ts';

const refused = (code: PmdErrorCode) => expect.objectContaining({ name: 'PmdError', code });
const ONE: PortConfig = { rxQueues: 1, txQueues: 1 };

/** An lcore, without its thread, that was given the port. */
function lcoreOf(port: Port, lcoreId: number): WorkerContext {
  const ports = [queuesOf(port)];
  const start: LcoreStart = {
    lcoreId,
    owner: newOwner(lcoreId),
    cpus: [0],
    module: '',
    control: new SharedArrayBuffer(4 * controlLayout(ports).words),
    stats: new SharedArrayBuffer(8 * STATS_WORDS),
    wakeFd: -1,
    ports,
    data: null,
  };
  return new WorkerContext(start);
}

describe.each(benches)('a port of %s', (_, open, missing) => {
  describe.skipIf(missing)('like every port', () => {
    const stand = new Stand(open);

    it('regression: stays closed: only what reads or tidies up may be called', () => {
      const { port } = stand;
      port.close();
      const listener = () => {};
      const calls = [
        () => port.start(),
        () => port.configure(ONE),
        () => port.rxQueueSpec(0),
        () => port.txQueueSpec(0),
        () => port.on('link', listener),
        () => port.once('link', listener),
        ...(port.setMtu ? [() => port.setMtu?.(1500)] : []),
        ...(port.setRxOffloads ? [() => port.setRxOffloads?.(0)] : []),
      ];
      for (const call of calls) expect(call).toThrow(refused('VPCI_CLOSED'));
      expect(port.started).toBe(false);
      expect(port.link()).toMatchObject({ up: false, speed: 0 });
      port.stop();
      port.close();
      port.off('link', listener);
      expect([port.descriptors('rx', 0), port.info.name]).toEqual([0, expect.stringContaining('net_')]);
    });

    it('can be started and stopped again and again', () => {
      const { port } = stand;
      port.start();
      expect(port.started).toBe(true);
      port.stop();
      port.stop();
      expect(port.started).toBe(false);
      port.start();
      stand.bench.settle?.();
      expect([port.started, port.link().up]).toEqual([true, true]);
    });

    it('regression: is configured only while it is stopped, and keeps its configuration if refused', () => {
      const { port } = stand;
      const before = { rxQueues: QUEUES, txQueues: QUEUES };
      expect(() => port.configure(ONE)).toThrow(refused('EBUSY'));
      expect([port.config, port.started]).toEqual([before, true]);
      port.stop();
      const many = { rxQueues: 60_000, txQueues: 60_000 };
      expect(() => port.configure(many)).toThrow(refused('VPCI_QUEUE_COUNT'));
      expect(() => port.configure(many)).toThrow(/60000 .* \d+/);
      for (const wrong of [null, { rxQueues: 1 }, { ...ONE, txQueues: -1 }, { ...ONE, bogus: 1 }])
        expect(() => port.configure(wrong as PortConfig)).toThrow(refused('VPCI_ARGUMENT'));
      expect(port.config).toEqual(before);
    });

    it('regression: keeps a copy of its configuration', () => {
      const { port } = stand;
      const mine = { rxQueues: 1, txQueues: 1 };
      stand.run(mine);
      mine.rxQueues = 7;
      expect(port.config).toEqual(ONE);
    });

    it('regression: has the queues that are configured, and no others', () => {
      const { port } = stand;
      stand.run(ONE);
      expect(port.rxQueueSpec(0)).toMatchObject({ role: 'rx', queue: 0, port: port.id });
      expect(port.txQueueSpec(0)).toMatchObject({ role: 'tx', queue: 0, port: port.id });
      for (const queue of [1, -1, 0.5, Number.NaN, '0', Symbol('0')] as number[]) {
        expect(() => port.rxQueueSpec(queue)).toThrow(refused('VPCI_QUEUE_COUNT'));
        expect(() => port.txQueueSpec(queue)).toThrow(refused('VPCI_QUEUE_COUNT'));
      }
      for (const [role, queue] of [
        ['rxx', 0],
        ['rx', 60_000],
        ['tx', -1],
      ] as ['rx', number][])
        expect(() => port.descriptors(role, queue)).toThrow(refused('VPCI_ARGUMENT'));
    });

    it('regression: gives a queue to one lcore until that lcore has ended', () => {
      const [first, second] = [lcoreOf(stand.port, 3), lcoreOf(stand.port, 4)];
      for (const call of ['rxQueue', 'txQueue'] as const) {
        const open = (lcore: WorkerContext, queue: number) => lcore[call](0, queue);
        open(first, 0);
        open(first, 0);
        open(second, 1);
        expect(() => open(second, 0)).toThrow(refused('VPCI_QUEUE_BUSY'));
        expect(() => open(second, 0)).toThrow(/queue 0 of port 0: lcore 3 has it/);
      }
      first.abandonQueues();
      second.rxQueue(0, 0);
      expect(() => first.rxQueue(0, 0)).toThrow(/lcore 4 has it/);
      second.abandonQueues();
    });

    it('regression: refuses what are no offloads, and still closes', () => {
      const { port } = stand;
      for (const wrong of [undefined, -1, 0.5, 2 ** 32, '0', 1n, Symbol('0'), Object.create(null)])
        if (port.setRxOffloads)
          expect(() => port.setRxOffloads?.(wrong as number)).toThrow(refused('VPCI_ARGUMENT'));
      expect(port.info.name).toContain('net_');
      port.close();
    });

    it('regression: refuses what is no event or no listener', () => {
      const { port } = stand;
      for (const call of ['on', 'once', 'off'] as const) {
        const refusal = (event: unknown, listener: unknown, says: string) =>
          expect(() => port[call](event as PortEvent, listener as () => void)).toThrow(
            expect.objectContaining({
              code: 'VPCI_ARGUMENT',
              message: expect.stringContaining(`${call}(): ${says}`),
            }),
          );
        refusal('data', () => {}, 'event must be one of link, reason, removed');
        refusal('link', undefined, 'listener must be a function');
      }
      port.off('link', () => {});
    });

    it.runIf(open === benches[0][1])('regression: gives the link to its listeners, until off()', () => {
      const { port, bench } = stand;
      const heard: [string, PortLink][] = [];
      const on = (link: PortLink) => heard.push(['on', link]);
      const once = (link: PortLink) => heard.push(['once', link]);
      const never = (link: PortLink) => heard.push(['never', link]);
      port.on('link', on);
      port.once('link', once);
      port.once('link', never);
      port.off('link', never);
      bench.setLink?.(false);
      expect(heard).toEqual([
        ['on', port.link()],
        ['once', port.link()],
      ]);
      expect(heard[0][1]).toMatchObject({ up: false, speed: 0 });
      bench.setLink?.(true);
      expect(heard.slice(2)).toEqual([['on', { up: true, speed: expect.any(Number) }]]);
      port.off('link', on);
      bench.setLink?.(false);
      expect(heard).toHaveLength(3);
    });
  });
});
