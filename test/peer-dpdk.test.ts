// SPDX-License-Identifier: BSD-3-Clause
// The built-in peer against DPDK's own vhost back-end: if every frame comes back unchanged through another
// project's back-end, the peer is a correct virtio-net driver and a fair judge of our device.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Peer } from '../tools/peer/driver.ts';
import type { PeerOptions } from '../tools/peer/options.ts';
import { faults } from '../tools/peer/stats.ts';
import { dpdkMissing, hugepagesFree, Testpmd } from './support/dpdk.ts';
import { until } from './support/wait.ts';

const COUNT = 20_000;
const VERSION_1 = 1n << 32n;
const MRG_RXBUF = 1n << 15n;
const IN_ORDER = 1n << 35n;

let folder = '';
let path = '';
let testpmd: Testpmd | undefined;
let peer: Peer | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'peer-dpdk-'));
  path = join(folder, 'vhost.sock');
});

afterEach(async () => {
  await peer?.stop();
  await testpmd?.stop();
  peer = testpmd = undefined;
  rmSync(folder, { recursive: true });
});

async function startTestpmd(
  mode: string,
  options: { queues?: number; client?: boolean } = {},
): Promise<Testpmd> {
  const queues = options.queues ?? 1;
  testpmd = Testpmd.start({
    vdevs: [`net_vhost0,iface=${path},queues=${queues}${options.client ? ',client=1' : ''}`],
    testpmd: [`--forward-mode=${mode}`, '--auto-start', `--rxq=${queues}`, `--txq=${queues}`],
  });
  await testpmd.waitFor('Press enter to exit');
  return testpmd;
}

async function startPeer(options: Partial<PeerOptions>): Promise<Peer> {
  peer = new Peer({ path, ...options });
  await peer.start();
  return peer;
}

/** Sends COUNT frames and waits until they have come back. */
async function roundTrip(options: Partial<PeerOptions>): Promise<Peer> {
  const started = await startPeer({ count: COUNT, patienceMs: 30_000, ...options });
  await until('all frames are back or given up', () => started.done);
  await started.stop();
  return started;
}

function expectAllBack(done: Peer, count = COUNT): void {
  const stats = done.stats();
  expect(stats).toMatchObject({ txPackets: count, rxPackets: count, missing: 0 });
  expect(faults(stats)).toBeUndefined();
}

describe.skipIf(dpdkMissing())('the peer with DPDK net_vhost', () => {
  it.each<[string, Partial<PeerOptions>]>([
    ['rings of 256 entries', {}],
    ['rings of 1024 entries', { queueSize: 1024 }],
    ['60-byte frames', { frameSize: 60 }],
    ['1518-byte frames', { frameSize: 1518 }],
    ['9000-byte frames over several buffers', { frameSize: 9000 }],
    ['9000-byte frames in one buffer', { frameSize: 9000, mergeable: false }],
    ['neither mergeable buffers nor order', { mergeable: false, inOrder: false }],
  ])('io: every frame comes back unchanged: %s', async (_name, options) => {
    await startTestpmd('io');
    expectAllBack(await roundTrip(options));
  });

  it('macswap: the payload comes back unchanged', async () => {
    const other = await startTestpmd('macswap');
    expectAllBack(await roundTrip({}));
    await other.stop();
    expect(other.totals()).toMatchObject({ rxPackets: COUNT, txPackets: COUNT });
  });

  it('two queue pairs', async () => {
    await startTestpmd('io', { queues: 2 });
    expectAllBack(await roundTrip({ pairs: 2 }));
  });

  it.skipIf(!hugepagesFree(512))('memory from hugepages', async () => {
    await startTestpmd('io');
    expectAllBack(await roundTrip({ hugepages: true }));
  });

  it('negotiates exactly what is requested', async () => {
    await startTestpmd('rxonly');
    const features: bigint[] = [];
    for (const options of [{}, { mergeable: false }, { inOrder: false }]) {
      peer = new Peer({ path, mode: 'generate', ...options });
      peer.onEvent = (event) => event.kind === 'up' && features.push(event.features);
      await peer.start();
      await peer.stop();
    }
    expect(features).toEqual([VERSION_1 | MRG_RXBUF | IN_ORDER, VERSION_1 | IN_ORDER, VERSION_1 | MRG_RXBUF]);
  });

  it('echo: sends back everything that it receives', async () => {
    const other = await startTestpmd('flowgen');
    const echo = await startPeer({ mode: 'echo' });
    await until('frames went round', () => echo.stats().txPackets > COUNT);
    await echo.stop();
    expect(echo.stats().rxPackets).toBe(echo.stats().txPackets);
    await other.stop();
    expect(other.totals()?.rxPackets).toBe(echo.stats().txPackets);
  });

  it('foreign frames fail the check', async () => {
    await startTestpmd('txonly');
    const sink = await startPeer({ mode: 'sink' });
    await until('frames arrive', () => sink.stats().rxPackets > 1000);
    await sink.stop();
    expect(faults(sink.stats())).toMatch(/bad checksum|cannot be ours/);
  });

  it('as the server, with a back-end that connects', async () => {
    const waiting = new Peer({ path, server: true, count: COUNT });
    peer = waiting;
    const started = waiting.start();
    await startTestpmd('io', { client: true });
    await started;
    await until('all frames are back or given up', () => waiting.done);
    await waiting.stop();
    expectAllBack(waiting);
  });

  it('a back-end killed under full traffic is noticed and used again once it is back', async () => {
    const first = await startTestpmd('io');
    const living = await startPeer({});
    await until('frames come back', () => living.stats().rxPackets > COUNT);
    first.signal('SIGKILL');
    await until('the peer notices', () => !living.up);
    await first.ended(5000);
    rmSync(path); // DPDK does not reuse a socket left by a crash.
    await startTestpmd('io');
    await until('the peer is back', () => living.up);
    const before = living.stats().rxPackets;
    await until('frames come back again', () => living.stats().rxPackets > before + COUNT);
    expect(faults(living.stats())).toBeUndefined();
  });
});
