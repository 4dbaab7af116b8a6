// SPDX-License-Identifier: BSD-3-Clause
// The generator as a library, against the built-in peer.
import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { ROOT } from '../../test/support/program.ts';
import { PeerProcess } from '../run/builtin-peer.ts';
import { DeviceProcess } from '../run/device-model.ts';
import { Workspace } from '../run/workspace.ts';
import {
  openPktgen,
  type Pktgen,
  type PktgenOptions,
  type RunOptions,
  type SearchOptions,
  type Step,
} from './index.ts';

const PATIENT = { drain: 1, maxLag: 5 };
let pktgen: Pktgen | undefined;
afterEach(() => pktgen?.close());

describe('the library', () => {
  it('runs streams and returns their figures', async () => {
    pktgen = await openPktgen({ streams: [{ name: 'a', count: 300 }, { rate: '2kpps' }], rate: '3kpps' });
    const { streams, lost, latency } = await pktgen.run({ ...PATIENT, seconds: 0.3 });
    expect(streams.map(({ name, sent }) => [name, sent])).toEqual([
      ['a', 300],
      ['1', 600],
    ]);
    expect([lost, latency?.samples]).toEqual([0, 900]);
  });

  it('regression: had no percentiles but four, and no .hgrm', async () => {
    pktgen = await openPktgen({ streams: [{ count: 300 }, { count: 200 }], rate: '5kpps' });
    const { latency, streams } = await pktgen.run(PATIENT);
    for (const [own, count] of [[latency, 500] as const, [streams[1]?.latency, 200] as const]) {
      if (!own) throw new Error('nothing came back');
      const { p50Ns, maxNs } = own;
      expect(own.percentiles().at(-1)).toEqual({ percent: 100, ns: maxNs });
      expect(own.percentile(50)).toBe(p50Ns);
      expect(own.hgrm()).toMatch(/^ +Value +Percentile +TotalCount 1\/\(1-Percentile\)\n/);
      expect(own.hgrm()).toMatch(new RegExp(`#\\[Max .*Total count += +${count}\\]\n`));
      expect(Object.keys(JSON.parse(JSON.stringify(own)))).not.toContain('percentiles');
      expect(() => own.percentile(101)).toThrow('percent must be from 0 to 100, not 101');
    }
  });

  it('gives statistics while it runs, takes another rate, and ends when it is left', async () => {
    pktgen = await openPktgen({ streams: [{}], rate: 1000 });
    const seen: number[] = [];
    for await (const { sent } of pktgen.statistics(PATIENT, 0.1)) {
      seen.push(sent);
      if (seen.length === 2) pktgen.setRate('50kpps');
      if (seen.length === 5) break;
    }
    expect(seen).toHaveLength(5);
    expect(seen[4]).toBeGreaterThan(5 * (seen[1] as number));
    const again = await pktgen.run({ ...PATIENT, seconds: 0.05 });
    expect(again.lost).toBe(0);
  });

  it('stops and starts a stream while frames are sent, and keeps count', async () => {
    pktgen = await openPktgen({ streams: [{ name: 'a', rate: '2kpps' }, { rate: '2kpps' }] });
    const seen: number[][] = [];
    for await (const { streams, lost, reordered } of pktgen.statistics({ ...PATIENT, seconds: 2 }, 0.2)) {
      seen.push(streams.map(({ sent }) => sent));
      if (seen.length === 2) pktgen.stop('a');
      if (seen.length === 6) pktgen.start('a');
      expect([lost, reordered]).toEqual([0, 0]);
    }
    const [stopped, later] = [seen[3]?.[0], seen[5]?.[0]];
    expect(later).toBe(stopped);
    const [first, second] = seen.at(-1) as [number, number];
    expect(first).toBeGreaterThan(later as number);
    expect(second).toBe(4000);
    expect(() => pktgen?.stop('b')).toThrow("stream: 'b' is none of the streams: 0 (a), 1");
    expect(() => pktgen?.setRate('fast', 'a')).toThrow("rate: 'fast' is not a rate");
  });

  it('searches, with a hook before and after each trial', async () => {
    pktgen = await openPktgen({ streams: [{}], dropAbove: 5000 });
    const rates: number[] = [];
    const steps: Step[] = [];
    const before = (pps: number) => {
      rates.push(pps);
      return rates.length < 3;
    };
    const found = await pktgen.search({ trialSeconds: 0.3, before, after: (step) => steps.push(step) });
    expect(rates).toHaveLength(3);
    expect(steps.map(({ pps }) => pps)).toEqual(rates.slice(0, 2));
    expect(steps[0]?.failure).toMatch(/^lost \d+$/);
    expect(found.complete).toBe(false);
  });

  it('counts as an echoing peer counts, frame for frame', async () => {
    const workspace = new Workspace();
    const [vhostUser, vfioUser] = [workspace.path('u'), workspace.path('f')];
    const device = new DeviceProcess({ vhostUser, vfioUser, maxRunMs: 60_000 });
    const peer = { vhostUser, mode: 'echo', cpu: 0, frameSize: 64, burst: 32, maxRunMs: 60_000 } as const;
    try {
      await device.ready(20_000);
      const counting = new PeerProcess({ ...peer, check: false });
      await counting.up(20_000);
      pktgen = await openPktgen({ device: `net_vhost_pci0,path=${vfioUser}`, streams: [{ count: 100_000 }] });
      pktgen.setRate('max');
      const { sent, received, lost } = await pktgen.run(PATIENT);
      const { rxPackets, txPackets } = await counting.finish();
      expect([sent, received, lost, rxPackets, txPackets]).toEqual([1e5, 1e5, 0, 1e5, 1e5]);
    } finally {
      await pktgen?.close();
      await device.stop();
      workspace.remove();
    }
  });

  it('says of frames that do not come back that nothing is known', async () => {
    pktgen = await openPktgen({ streams: [{ count: 100 }], rate: 'max', peer: 'sink' });
    const { sent, received, lost, streams } = await pktgen.run({ drain: 0.01 });
    expect([sent, received, lost, streams[0]?.lost]).toEqual([100, null, null, null]);
    await expect(pktgen.search()).rejects.toThrow('it needs frames that come back');
  });

  it('says so of a device, too, from which nothing has come', async () => {
    pktgen = await openPktgen({ device: 'net_null0,no-rx=1', streams: [{ count: 100 }], rate: 'max' });
    expect(await pktgen.run({ drain: 0.01 })).toMatchObject({ sent: 100, received: null, lost: null });
    await pktgen.close();
    pktgen = await openPktgen({
      device: 'net_null0,no-rx=1',
      streams: [{ count: 100 }],
      rate: 'max',
      returns: true,
    });
    expect(await pktgen.run({ drain: 0.01 })).toMatchObject({ sent: 100, received: 0, lost: 100 });
  });

  it('regression: more than 64 streams found no pools', async () => {
    const streams = new Array(256).fill({ count: 2 });
    pktgen = await openPktgen({ device: 'net_null0,no-rx=1', streams, rate: 'max' });
    expect(await pktgen.run({ drain: 0.01 })).toMatchObject({ sent: 512, unsent: 0 });
  });

  it('names what is wrong', async () => {
    await expect(openPktgen({ streams: [{ size: 20 }] })).rejects.toThrow('streams: stream 0: size: 20');
    await expect(openPktgen({ streams: [], rate: 1 })).rejects.toThrow('at least one stream');
    const two = [{ name: 'a' }, { name: 'a' }];
    await expect(openPktgen({ streams: two })).rejects.toThrow("streams: streams 0 and 1 have one name, 'a'");
    const own = { streams: [{ rate: '1kpps' }], rate: '2kpps' };
    await expect(openPktgen(own)).rejects.toThrow('rate: every stream has a rate of its own');
  });

  it('regression: a search of a stream with a count found a rate by few frames', async () => {
    const streams = [{}, { name: 'few', count: 5 }];
    pktgen = await openPktgen({ device: 'net_null0', streams });
    await expect(pktgen.search()).rejects.toMatchObject({
      code: 'VPCI_ARGUMENT',
      message: expect.stringContaining('streams: stream 1 (few): count: not with a search'),
    });
  });

  it('regression: options that were wrong were used, and some runs had no end', async () => {
    const wrong = (options: unknown) => expect(openPktgen(options as PktgenOptions)).rejects;
    await wrong(undefined).toThrow('options must be an object, not undefined');
    await wrong({ streams: [{}], dropabove: 5 }).toThrow("options has no 'dropabove'");
    await wrong({ streams: [{}], peer: 'foo' }).toThrow("peer must be one of echo, sink, not 'foo'");
    await wrong({ streams: [{}], seed: 1.5 }).toThrow('seed must be a whole number');
    pktgen = await openPktgen({ device: 'net_null0,no-rx=1', streams: [{}] });
    const own = pktgen;
    for (const options of [{ second: 5 }, { seconds: Number.NaN }, { drain: 1e9 }, { maxLag: 0 }])
      await expect(own.run(options as RunOptions)).rejects.toMatchObject({ code: 'VPCI_ARGUMENT' });
    for (const options of [{ loss: 2 }, { trialSeconds: 0 }, { precision: -1 }, { before: 5 }])
      await expect(own.search(options as SearchOptions)).rejects.toMatchObject({ code: 'VPCI_ARGUMENT' });
    await expect(own.statistics({}, 0).next()).rejects.toThrow('period must be from 0.01');
    expect(() => own.setRate('50%max')).toThrow("'%max' is the command's");
    expect(() => own.setRate(Number.NaN)).toThrow(
      /^rate: NaN is not a rate such as .*10gbps-l1, 50% or max$/,
    );
  });

  it('regression: two runs at once both had figures, the same', async () => {
    pktgen = await openPktgen({ device: 'net_null0,no-rx=1', streams: [{ count: 10 }], rate: 'max' });
    const own = pktgen;
    const first = own.run({ drain: 0.01 });
    for (const second of [() => own.run(), () => own.search(), () => own.statistics().next()])
      await expect(second()).rejects.toMatchObject({ code: 'VPCI_BUSY' });
    expect(await first).toMatchObject({ sent: 10 });
    expect(await own.run({ drain: 0.01 })).toMatchObject({ sent: 10 });
  });

  it('regression: halt() did not end a search', async () => {
    pktgen = await openPktgen({ device: 'net_null0', streams: [{}] });
    const own = pktgen;
    const found = await own.search({ trialSeconds: 0.01, after: () => own.halt() });
    expect([found.steps.length, found.interrupted]).toEqual([1, true]);
  });

  it('regression: a run of a closed generator had no end', async () => {
    pktgen = await openPktgen({ device: 'net_null0', streams: [{}] });
    await pktgen.close();
    const own = pktgen;
    for (const call of [() => own.run(), () => own.search(), () => own.statistics().next()])
      await expect(call()).rejects.toMatchObject({ code: 'VPCI_CLOSED' });
  });

  it.each([{}, { device: 'net_null0' }])(
    'regression: closed, said that its peer had ended: %j',
    async (device) => {
      const own = await openPktgen({ ...device, streams: [{}], rate: 'max' });
      await own.run({ seconds: 0.01 });
      await own.close();
      await own.close();
      const closed = { code: 'VPCI_CLOSED', message: expect.stringContaining('the generator is closed') };
      const wrong = { second: 1 } as RunOptions;
      for (const call of [() => own.run(wrong), () => own.search(), () => own.statistics(wrong).next()])
        await expect(call()).rejects.toMatchObject(closed);
      for (const call of [() => own.setRate('fast'), () => own.stop(), () => own.start(5)])
        expect(call).toThrow(expect.objectContaining(closed));
      own.halt();
    },
  );

  it('closed while it runs, ends with figures, or as closed where it had not begun', async () => {
    pktgen = await openPktgen({ streams: [{}], rate: 'max' });
    const ended = pktgen.run().then(
      () => 'VPCI_CLOSED',
      ({ code }) => code,
    );
    await pktgen.close();
    expect(await ended).toBe('VPCI_CLOSED');
  });

  it('is a path of the package', () => {
    const code = "console.log(typeof (await import('vhost-pci-pmd/pktgen')).openPktgen)";
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect(stdout).toBe('function\n');
  });
});
