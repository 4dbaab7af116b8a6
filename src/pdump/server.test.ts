// SPDX-License-Identifier: BSD-3-Clause
// The capture socket as hostile programs use it, and what becomes of their captures.
import { fstatSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { until } from '../../test/support/wait.ts';
import { openPort, ports } from '../drivers/registry.ts';
import { openRxQueue, openTxQueue } from '../drivers/table.ts';
import { Mempool } from '../ethdev/mempool.ts';
import { native } from '../native.ts';
import { greeted, runtimeDirectory, TestClient } from '../telemetry/telemetry.test-help.ts';
import { MAX_RING, MIN_RING, RING_DATA, RingReader } from './ring.ts';
import { PdumpServer } from './server.ts';

const runtime = runtimeDirectory();
let server: PdumpServer;
let pool: Mempool;
const clients: TestClient[] = [];
const files: number[] = [];

beforeEach(() => {
  server = new PdumpServer('rte');
  pool = new Mempool({ count: 256, hugepages: false });
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const fd of files.splice(0)) native.close(fd);
  server.close();
  for (const port of ports()) port.close();
  pool.close();
});

async function connect(): Promise<TestClient> {
  const client = await greeted(server.path);
  clients.push(client);
  return client;
}

async function ask(client: TestClient, request: unknown): Promise<Record<string, unknown>> {
  client.send(JSON.stringify(request));
  return JSON.parse(await client.read()) as Record<string, unknown>;
}

const START = { command: 'start', port: 0, snaplen: 2176, ringBytes: MIN_RING, filter: '' };

/** Begins a capture and maps its rings. */
async function started(client: TestClient, request = START) {
  client.send(JSON.stringify(request));
  const into = new Uint8Array(65_536);
  const replies: NonNullable<ReturnType<typeof native.receiveMessage>>[] = [];
  await until('the reply arrives', () => {
    const received = native.receiveMessage(client.fd, into, 1);
    if (received !== null) replies.push(received);
    return received !== null;
  });
  const { fds, bytes } = replies[0] as (typeof replies)[number];
  const reply = JSON.parse(Buffer.from(into.subarray(0, bytes)).toString());
  const [fd] = fds as [number];
  const mapping = native.mapFd(fd, 0, reply.fileBytes, true);
  files.push(fd);
  return { reply, mapping, fd };
}

/** One burst in and out of port 0. */
function forward(n = 32): void {
  const [port] = ports();
  if (!port) throw new Error('no port');
  const [rx, tx, pkts] = [openRxQueue(port.rxQueueSpec(0)), openTxQueue(port.txQueueSpec(0)), pool.vector(n)];
  expect(tx.burst(pkts, 0, rx.burst(pkts, n))).toBe(n);
}

describe('the capture socket', () => {
  it('is beside the telemetry socket, and says who is there', async () => {
    expect(server.path).toBe(join(runtime.path, 'dpdk/rte/vhost_pci_capture'));
    const client = new TestClient(server.path);
    clients.push(client);
    expect(JSON.parse(await client.read())).toMatchObject({ protocol: 1, pid: process.pid });
    openPort('net_null0');
    expect(await ask(client, { command: 'list' })).toEqual([
      { id: 0, name: 'net_null0', received: 0, dropped: 0 },
    ]);
  });

  it('hands out a ring for each queue, and counts', async () => {
    openPort('net_null0,queues=2', { rxQueues: 2, txQueues: 1 });
    const client = await connect();
    const { reply, mapping } = await started(client);
    expect(reply.rings).toEqual([
      { role: 'rx', queue: 0, offset: 0 },
      { role: 'rx', queue: 1, offset: RING_DATA + MIN_RING },
      { role: 'tx', queue: 0, offset: 2 * (RING_DATA + MIN_RING) },
      // It may be configured later.
      { role: 'tx', queue: 1, offset: 3 * (RING_DATA + MIN_RING) },
    ]);
    forward();
    const ring = new RingReader(mapping, 0, MIN_RING);
    ring.look();
    let packets = 0;
    for (; ring.next(); packets++) expect([ring.present, ring.length]).toEqual([64, 64]);
    expect(packets).toBe(32);
    const counts = { accepted: 64, filtered: 0, dropped: 0 };
    expect(await ask(client, { command: 'status', port: 0 })).toEqual({ counts, gone: false });
    expect(await ask(client, { command: 'stop', port: 0 })).toEqual({ counts, busy: false });
    forward();
    ring.look();
    expect(ring.next()).toBe(false);
    expect(await ask(client, { command: 'stop', port: 0 })).toEqual({ error: 'you do not capture port 0' });
    native.unmap(mapping);
  });

  it('lets one program capture a port at a time, until it is gone', async () => {
    openPort('net_null0');
    const [first, second] = [await connect(), await connect()];
    await started(first);
    expect(await ask(second, START)).toEqual({ error: 'net_null0 is being captured already' });
    expect(await ask(second, { command: 'stop', port: 0 })).toHaveProperty('error');
    clients.shift()?.close();
    await until('the capture of the first has ended', () => new Uint32Array(native.captureWords())[0] === 0);
    await started(second);
  });

  it('gives no newcomer the place of a capture, but that of who lists, or whose port is gone', async () => {
    openPort('net_null0');
    const gone = openPort('net_null1');
    const [capturing, ended, lists] = [await connect(), await connect(), await connect()];
    await started(capturing);
    await started(ended, { ...START, port: 1 });
    await ask(lists, { command: 'list' });
    gone.close();
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + 6000);
    for (let i = 0; i < 500; i++) clients.push(new TestClient(server.path));
    expect(await ask(await connect(), { command: 'list' })).toHaveLength(1);
    clock.mockRestore();
    expect(await ask(capturing, { command: 'status', port: 0 })).toMatchObject({ gone: false });
  });

  it('captures queues that are configured meanwhile, without pages of theirs until then', async () => {
    const port = openPort('net_null0,queues=4');
    const client = await connect();
    const { reply, mapping } = await started(client);
    expect(reply.rings).toHaveLength(8);
    port.stop();
    port.configure({ rxQueues: 4, txQueues: 4 });
    port.start();
    const [rx, tx] = [openRxQueue(port.rxQueueSpec(3)), openTxQueue(port.txQueueSpec(3))];
    const pkts = pool.vector(8);
    expect(tx.burst(pkts, 0, rx.burst(pkts, 8))).toBe(8);
    for (const { queue, offset } of reply.rings as { queue: number; offset: number }[]) {
      const ring = new RingReader(mapping, offset, MIN_RING);
      ring.look();
      let packets = 0;
      while (ring.next()) packets++;
      expect([queue, packets]).toEqual([queue, queue === 3 ? 8 : 0]);
    }
    const counts = { accepted: 16, filtered: 0, dropped: 0 };
    expect(await ask(client, { command: 'stop', port: 0 })).toEqual({ counts, busy: false });
    native.unmap(mapping);
  });

  it('ends a capture whose port is closed', async () => {
    const port = openPort('net_null0');
    const client = await connect();
    await started(client);
    port.close();
    openPort('net_null1');
    expect(await ask(client, { command: 'status', port: 0 })).toMatchObject({ gone: true });
    forward();
    expect(await ask(client, { command: 'status', port: 0 })).toMatchObject({ counts: { accepted: 0 } });
  });

  it('makes the pages of large rings in the background, and leaves what they hold alone', async () => {
    openPort('net_null0,queues=1');
    const client = await connect();
    const { reply, mapping, fd } = await started(client, { ...START, ringBytes: MAX_RING / 4 });
    forward();
    await until('all pages are there', () => fstatSync(fd).blocks * 512 === reply.fileBytes);
    const ring = new RingReader(mapping, 0, MAX_RING / 4);
    ring.look();
    let packets = 0;
    for (; ring.next(); packets++) expect([ring.present, ring.length]).toEqual([64, 64]);
    expect(packets).toBe(32);
    native.unmap(mapping);
  });

  it.each([
    ['no port', { port: 7 }],
    ['no number', { port: '0' }],
    ['a ring that is too large', { ringBytes: 2 * MAX_RING }],
    ['a ring that is no power of two', { ringBytes: MIN_RING + 8 }],
    ['a snapshot of nothing', { snaplen: 0 }],
    ['a filter that is none', { filter: 'AAAAAAAAAAA=' }],
    ['a filter of half an instruction', { filter: 'AAAA' }],
    ['no filter', { filter: 7 }],
  ])('refuses %s', async (_, fault) => {
    openPort('net_null0');
    const client = await connect();
    expect(await ask(client, { ...START, ...fault })).toHaveProperty('error');
    await started(client);
  });

  it('refuses more memory than captures may have', async () => {
    openPort('net_null0', { rxQueues: 8, txQueues: 8 });
    const client = await connect();
    expect(await ask(client, { ...START, ringBytes: MAX_RING })).toMatchObject({
      error: expect.stringContaining('too much memory'),
    });
  });

  it('answers whatever is sent', async () => {
    openPort('net_null0');
    const client = await connect();
    const names = ['list', 'status', 'stop', 'start', 'x', ''];
    const request = fc.oneof(
      fc.json(),
      fc.string({ minLength: 1, unit: 'binary' }),
      fc
        .record({ command: fc.constantFrom(...names), port: fc.jsonValue() })
        .map((one) => JSON.stringify(one)),
    );
    await fc.assert(
      fc.asyncProperty(request, async (text) => {
        client.send(text);
        expect(JSON.parse(await client.read())).toBeTypeOf('object');
      }),
      { numRuns: 300 },
    );
  });

  it('regression: a ring whose words are overwritten costs its capture only', async () => {
    openPort('net_null0');
    const client = await connect();
    const { mapping } = await started(client);
    const words = new Uint32Array(native.mappingBuffer(mapping));
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < words.length; i += 997) words[i] = round * 0x9e37_79b9;
      words[16] = round % 2 === 0 ? words[0] : 0x8000_0000 + round;
      forward();
    }
    expect(await ask(client, { command: 'stop', port: 0 })).toMatchObject({ busy: false });
    native.unmap(mapping);
  });
});
