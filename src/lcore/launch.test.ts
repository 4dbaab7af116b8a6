// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  FakeVhostPci,
  PEER_FEATURES,
  peerFeatures,
  placedMemory,
  remoteQueues,
  SESSION_FEATURES,
} from '../../test/support/fake-vhost-pci.ts';
import { frameWithHeader, PEER_BYTES, PEER_GPA, RemotePeer } from '../../test/support/remote-peer.ts';
import { openPort, ports } from '../drivers/registry.ts';
import { openVhostPciPort } from '../drivers/vhost-pci/driver.ts';
import { native } from '../native.ts';
import { type Lcore, launch } from './launch.ts';

let folder = '';
let files = 0;
const cpu = native.getAffinity()[0];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lcore-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

afterEach(() => {
  for (const port of ports()) port.close();
});

function module(text: string, extension = 'mjs'): string {
  const path = join(folder, `m${files++}.${extension}`);
  writeFileSync(path, text);
  return path;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 4000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`never: ${condition}`);
}

describe('launch', () => {
  it('runs a JavaScript module until stop() and shares its statistics', async () => {
    const lcore = launch({
      lcore: 3,
      cpu,
      data: { add: 2 },
      module: module(
        `export default (l) => { l.stats[1] = l.lcoreId; while (l.running()) l.stats[0] += l.data.add; }`,
      ),
    });
    await until(() => lcore.stats[0] > 0);
    await lcore.stop();
    expect(lcore.stats[1]).toBe(3);
    expect(lcore.stats[0] % 2).toBe(0);
  });

  it('runs a TypeScript module from outside the package', async () => {
    const lcore = launch({
      cpu,
      module: module(
        'export default async function (l: { stats: Float64Array }): Promise<void> { l.stats[0] = 7 as number; }',
        'ts',
      ),
    });
    await lcore.exited;
    expect(lcore.stats[0]).toBe(7);
  });

  it.each([
    ['a function', 'module.exports = (lcore) => { lcore.stats[0] = 7; };'],
    [
      'an object as compilers write it',
      'exports.__esModule = true; exports.default = (lcore) => { lcore.stats[0] = 7; };',
    ],
  ])('regression: runs a CommonJS module whose export is %s', async (_, text) => {
    const lcore = launch({ cpu, module: module(text, 'cjs') });
    await lcore.exited;
    expect(lcore.stats[0]).toBe(7);
  });

  it.each([
    ['nothing', 'exports.run = () => {};'],
    ['null', 'module.exports = null;'],
  ])('refuses a CommonJS module whose export is %s', async (_, text) => {
    const lcore = launch({ cpu, module: module(text, 'cjs') });
    await expect(lcore.exited).rejects.toMatchObject({ code: 'VPCI_LCORE_MODULE' });
  });

  it('regression: names a module that cannot be loaded', async () => {
    const lcore = launch({ cpu, module: module('export default {') });
    await expect(lcore.exited).rejects.toMatchObject({
      code: 'VPCI_LCORE_FAILED',
      message: expect.stringMatching(/^Lcore \d+ failed: module \/.*\.mjs: Unexpected end of input$/),
    });
  });

  it('regression: has a code that is text, whatever the module throws', async () => {
    const text = 'export default () => { throw Object.assign(new Error("x"), { code: 5 }); }';
    await expect(launch({ cpu, module: module(text) }).exited).rejects.toMatchObject({
      code: 'VPCI_LCORE_FAILED',
      message: expect.stringMatching(/^Lcore \d+ failed: x$/),
    });
  });

  it('pins the thread to its CPUs', async () => {
    const lcore = launch({
      cpu,
      module: module(`import { readFileSync } from 'node:fs';
        export default (l) => {
          const status = readFileSync('/proc/thread-self/status', 'utf8');
          l.stats[0] = Number(/Cpus_allowed_list:\\s*(\\S+)/.exec(status)[1]);
          l.stats[1] = /Name:\\s*vpci-lcore/.test(status) ? 1 : 0;
        }`),
    });
    await lcore.exited;
    expect([lcore.stats[0], lcore.stats[1]]).toEqual([cpu, 1]);
  });

  it('opens queues of its ports, and pools that are freed when it ends', async () => {
    const ports = [openPort('net_null0,size=100'), openPort('net_null1')];
    const lcore = launch({
      cpu,
      ports,
      module: module(`export default (l) => {
        const pool = l.createPool({ count: 64, hugepages: false });
        l.createPool({ count: 64, hugepages: false }).close();
        const pkts = pool.vector(8);
        const n = l.rxQueue(0).burst(pkts, 8);
        l.stats[0] = n;
        l.stats[1] = l.txQueue(1).burst(pkts, 0, n);
        l.stats[2] = pool.available;
      }`),
    });
    await lcore.exited;
    expect([...lcore.stats.subarray(0, 3)]).toEqual([8, 8, 64]);
    expect(ports[0].stats()).toMatchObject({ ipackets: 8, ibytes: 800 });
    expect(ports[1].stats()).toMatchObject({ opackets: 8, obytes: 800 });
  });
});

describe('a queue', () => {
  /** Opens the queue twice, as a module may. */
  const receiver = () =>
    module(`export default (l) => {
      const pkts = l.createPool({ count: 8, hugepages: false }).vector(8);
      l.rxQueue(0);
      for (const queue = l.rxQueue(0); l.running(); l.stats[0]++) l.stats[1] += queue.burst(pkts, 8);
    }`);

  it.each(['rx', 'tx'])(
    'regression: (%s) belongs to one lcore, which the error for another one names',
    async (role) => {
      const port = openPort('net_null0', { rxQueues: 2, txQueues: 2 });
      const holder = (queue: number) =>
        module(`export default (l) => { l.${role}Queue(0, ${queue}); l.stats[0] = 1; while (l.running()); }`);
      const first = launch({ lcore: 3, cpu, ports: [port], module: holder(0) });
      const other = launch({ lcore: 4, cpu, ports: [port], module: holder(1) });
      await until(() => first.stats[0] === 1 && other.stats[0] === 1);
      const second = launch({ lcore: 3, cpu, ports: [port], module: holder(0) });
      await expect(second.exited).rejects.toMatchObject({
        code: 'VPCI_QUEUE_BUSY',
        message: `Lcore 3 failed: Failed to open ${role.toUpperCase()} queue 0 of port 0: lcore 3 has it, and a queue belongs to one lcore`,
      });
      await Promise.all([first.stop(), other.stop()]);
      const third = launch({ lcore: 5, cpu, ports: [port], module: holder(0) });
      await until(() => third.stats[0] === 1);
      await third.stop();
    },
  );

  it('is free again after its lcore had to be terminated', async () => {
    const port = openPort('net_null0');
    const stuck = launch({
      cpu,
      ports: [port],
      stopTimeout: 50,
      module: module('export default (l) => { l.rxQueue(0); l.stats[0] = 1; for (;;); }'),
    });
    await until(() => stuck.stats[0] === 1);
    await expect(stuck.stop()).rejects.toThrow('did not return');
    const next = launch({ cpu, ports: [port], module: receiver() });
    await until(() => next.stats[0] > 0);
    await next.stop();
  });

  it.each(['stop', 'close'] as const)('does nothing for its lcore after %s() of the port', async (end) => {
    const port = openPort('net_null0');
    const lcore = launch({
      cpu,
      ports: [port],
      module: module(`export default (l) => {
        const pool = l.createPool({ count: 8, hugepages: false });
        const pkts = pool.vector(8);
        for (const queue = l.rxQueue(0); l.running(); l.stats[0]++) pool.free(pkts, 0, queue.burst(pkts, 8));
      }`),
    });
    const turn = () => {
      const turns = lcore.stats[0] + 1;
      return until(() => lcore.stats[0] > turns);
    };
    await until(() => port.stats().ipackets > 0);
    port[end]();
    await turn();
    const { ipackets } = port.stats();
    await turn();
    await lcore.stop();
    expect(port.stats().ipackets).toBe(ipackets);
  });

  it("of a closed port releases the peer's memory while an lcore polls it", async () => {
    const peer = new RemotePeer();
    const fake = new FakeVhostPci({ features: PEER_FEATURES | SESSION_FEATURES, queuePairs: 1 });
    const port = openVhostPciPort(() => fake, { id: 0, name: 'net_vhost_pci0' });
    port.start();
    fake.memoryBars.set(2, { fd: peer.fd, size: PEER_BYTES });
    fake.send(peerFeatures(PEER_FEATURES));
    fake.send(placedMemory([{ gpa: PEER_GPA, size: BigInt(PEER_BYTES), offset: 0n }]));
    fake.send(remoteQueues([peer.ring(0), peer.ring(1)]));
    fake.setLink(true);
    const lcore = launch({ cpu, ports: [port], module: receiver() });
    peer.post(1, 16, frameWithHeader(64, 7), 0);
    await until(() => lcore.stats[1] === 1);
    port.close();
    peer.post(1, 16, frameWithHeader(64, 7), 1);
    const turns = lcore.stats[0];
    await until(() => lcore.stats[0] > turns + 1000);
    await lcore.stop();
    expect([lcore.stats[1], peer.usedIdx(1)]).toEqual([1, 1]);
    peer.close();
  });

  it('of a closed port cannot be opened', async () => {
    const port = openPort('net_null0');
    const lcore = launch({
      cpu,
      ports: [port],
      module: module('export default (l) => { while (l.running()) l.stats[0] = 1; l.rxQueue(0); }'),
    });
    await until(() => lcore.stats[0] === 1);
    port.close();
    await expect(lcore.stop()).rejects.toMatchObject({
      code: 'VPCI_CLOSED',
      message: `Lcore ${cpu} failed: Failed to open RX queue 0 of port 0: the port is closed`,
    });
  });
});

describe('an lcore with many queues', () => {
  it('regression: opens all of them, with a pool and a vector for each', async () => {
    const config = { rxQueues: 128, txQueues: 128 };
    const ports = [openPort('net_null0,queues=128', config), openPort('net_null1,queues=128', config)];
    const lcore = launch({
      cpu,
      ports,
      module: module(`export default (l) => {
        const shared = l.createPool({ count: 64, hugepages: false });
        for (let queue = 0; queue < 128; queue++)
          for (const port of [0, 1]) {
            l.createPool({ count: 64, hugepages: false });
            const pkts = shared.vector(8);
            const n = l.rxQueue(port, queue).burst(pkts, 8);
            l.stats[port] += l.txQueue(port, queue).burst(pkts, 0, n);
          }
      }`),
    });
    await lcore.exited;
    expect([...lcore.stats.subarray(0, 2)]).toEqual([1024, 1024]);
    // The pools were freed with it.
    const again = launch({
      cpu,
      ports,
      module: module(
        `export default (l) => { for (let i = 0; i < 300; i++) l.createPool({ count: 8, hugepages: false }); }`,
      ),
    });
    await again.exited;
  });
});

describe('the end of an lcore', () => {
  const fails = async (lcore: Lcore, cause: string) => {
    await expect(lcore.exited).rejects.toThrow(cause);
    await expect(lcore.stop()).rejects.toThrow(cause);
  };

  it('is reported when the module throws', async () => {
    await fails(launch({ cpu, module: module(`export default () => { throw new Error('boom'); }`) }), 'boom');
  });

  it.each([
    ['null', 'its module threw null'],
    ['{ a: 1 }', 'its module threw { a: 1 }'],
    ["new Error('line 1\\nline 2')", 'Lcore 0 failed: line 1 line 2'],
  ])('regression: is reported in one line when the module throws %s', async (what, says) => {
    await fails(launch({ cpu, lcore: 0, module: module(`export default () => { throw ${what}; }`) }), says);
  });

  it('is reported when the module cannot be loaded', async () => {
    await fails(launch({ cpu, module: module('export default (') }), 'Lcore');
    await fails(launch({ cpu, module: module("import './absent.mjs'") }), 'absent.mjs');
    await fails(launch({ cpu, module: module('export const x = 1;') }), 'no function as its default export');
  });

  it('is reported when the module exits its thread', async () => {
    await fails(
      launch({ cpu, module: module('export default () => process.exit(3);') }),
      'exited with code 3',
    );
  });

  it('is reported when a queue is missing', async () => {
    await fails(
      launch({ cpu, module: module('export default (l) => { l.rxQueue(0); }') }),
      'RX queue 0 of port 0',
    );
  });

  it('is forced when the module ignores stop()', async () => {
    const lcore = launch({ cpu, stopTimeout: 50, module: module('export default () => { for (;;); }') });
    await lcore.ready;
    await expect(lcore.stop()).rejects.toThrow('did not return within 50 ms');
  });

  it('happens once, however often stop() is called', async () => {
    const lcore = launch({ cpu, module: module('export default (l) => { while (l.running()); }') });
    await lcore.ready;
    await Promise.all([lcore.stop(), lcore.stop()]);
    await lcore.stop();
  });

  it('precedes the start when stop() is called at once', async () => {
    await launch({ cpu, module: module('export default (l) => { while (l.running()); }') }).stop();
  });

  it('does not outlive its process', async () => {
    const main = module(
      `import { launch } from ${JSON.stringify(new URL('./launch.ts', import.meta.url).href)};
       const lcore = launch({ cpu: ${cpu}, module: ${JSON.stringify(module('export default (l) => { l.createPool(); while (l.running()); }'))} });
       await lcore.ready;
       process.exit(5);`,
    );
    const tsx = import.meta.resolve('tsx');
    const child = spawn(process.execPath, ['--import', tsx, main], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(5);
  });
});

describe("an lcore that ends while it holds the peer's buffers", () => {
  const cases = [
    ['throws', 'throw new Error("x")'],
    ['ends its thread', 'process.exit(3)'],
    ['has to be terminated', 'for (;;);'],
  ] as const;
  it.each(cases)('releases them when it %s, so that its port can be closed', async (_, end) => {
    const peer = new RemotePeer();
    const fake = new FakeVhostPci({ features: PEER_FEATURES | SESSION_FEATURES, queuePairs: 1 });
    const port = openVhostPciPort(() => fake, { id: 0, name: 'net_vhost_pci0' });
    port.start();
    fake.memoryBars.set(2, { fd: peer.fd, size: PEER_BYTES });
    fake.send(peerFeatures(PEER_FEATURES));
    fake.send(placedMemory([{ gpa: PEER_GPA, size: BigInt(PEER_BYTES), offset: 0n }]));
    fake.send(remoteQueues([peer.ring(0), peer.ring(1)]));
    fake.setLink(true);
    peer.post(0, 16, null, 0);
    const lcore = launch({
      cpu,
      ports: [port],
      stopTimeout: 200,
      module: module(
        `export default (l) => { l.stats[0] = l.txQueue(0).inPlace.reserve(1); l.rxQueue(0); ${end} }`,
      ),
    });
    await until(() => lcore.stats[0] === 1);
    await expect(lcore.stop()).rejects.toThrow(/lcore/i);
    port.close();
    peer.close();
  });
});

it('regression: a warning on an lcore that never returns to its event loop is one of the process', async () => {
  const warnings = new URL('../warnings.ts', import.meta.url).href;
  const text = `
    import { warn } from ${JSON.stringify(warnings)};
    export default (l) => {
      warn({ code: 'VPCI_NO_HUGEPAGES', message: 'from the lcore' });
      while (l.running());
    }`;
  const warned = once(process, 'warning');
  const lcore = launch({ cpu, module: module(text) });
  const [warning] = await warned;
  expect(warning).toMatchObject({ code: 'VPCI_NO_HUGEPAGES', message: 'from the lcore' });
  await lcore.stop();
});
