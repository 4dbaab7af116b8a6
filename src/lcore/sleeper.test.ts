// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openFds } from '../../test/support/open-fds.ts';
import { until } from '../../test/support/wait.ts';
import { openPort, ports } from '../drivers/registry.ts';
import { RX_INTERRUPTS, RX_SLEEPS, type RxQueue } from '../ethdev/port.ts';
import { native } from '../native.ts';
import { launch } from './launch.ts';
import { Sleeper } from './sleeper.ts';

const cpu = native.getAffinity()[0];
/** Longer than any test: a sleep that lasts this long was never woken. */
const FOR_EVER_MS = 600_000;

let folder = '';
let files = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sleeper-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function module(text: string): string {
  const path = join(folder, `m${files++}.mjs`);
  writeFileSync(path, text);
  return path;
}

describe('a sleeper', () => {
  let fds: number[];
  let running: boolean;
  let armed: Set<number>;
  let waiting: number | null;
  let sleeper: Sleeper;
  let queues: RxQueue[];

  /** A queue that records the calls to it. */
  const queue = (index: number, fd: number): RxQueue => ({
    burst: () => 0,
    interrupt: {
      fd,
      counters: new Float64Array(2),
      arm: () => {
        if (waiting === index) return false;
        armed.add(index);
        return true;
      },
      disarm: () => armed.delete(index),
    },
  });
  const counted = (at: number) => queues.map(({ interrupt }) => interrupt?.counters[at]);
  const [wakeAt, first, second] = [0, 1, 2];

  beforeEach(() => {
    fds = [native.eventfd(), native.eventfd(), native.eventfd()];
    running = true;
    armed = new Set();
    waiting = null;
    queues = [queue(0, fds[first] as number), queue(1, -1), queue(2, fds[second] as number)];
    const wakeFd = fds[wakeAt] as number;
    sleeper = new Sleeper({ queues, wakeFd, running: () => running, onClose: () => {} });
  });
  afterEach(() => {
    sleeper.close();
    sleeper.close();
    for (const fd of fds) native.close(fd);
  });

  it('ends when a queue interrupts, counts it, and switches back to polling', () => {
    native.eventfdSignal(fds[second] as number);
    sleeper.sleep(FOR_EVER_MS);
    expect([counted(RX_SLEEPS), counted(RX_INTERRUPTS)]).toEqual([
      [1, 1, 1],
      [0, 0, 1],
    ]);
    expect(armed.size).toBe(0);
  });

  it('does not sleep while packets are waiting, and leaves no queue armed', () => {
    waiting = 2;
    sleeper.sleep(FOR_EVER_MS);
    expect([counted(RX_SLEEPS), armed.size]).toEqual([[0, 0, 0], 0]);
  });

  it('does not sleep when the lcore must stop, however often it is called', () => {
    running = false;
    sleeper.sleep(FOR_EVER_MS);
    sleeper.sleep(FOR_EVER_MS);
    expect(counted(RX_SLEEPS)).toEqual([0, 0, 0]);
  });

  it('is ended by the lcore, which does not count as an interrupt', () => {
    native.eventfdSignal(fds[wakeAt] as number);
    sleeper.sleep(FOR_EVER_MS);
    expect([counted(RX_SLEEPS), counted(RX_INTERRUPTS)]).toEqual([
      [1, 1, 1],
      [0, 0, 0],
    ]);
  });

  it('ends after its timeout', () => {
    sleeper.sleep(1);
    expect([counted(RX_INTERRUPTS), armed.size]).toEqual([[0, 0, 0], 0]);
  });

  it('is refused for a queue that can only be polled', () => {
    const options = { wakeFd: fds[wakeAt] as number, running: () => true, onClose: () => {} };
    expect(() => new Sleeper({ queues: [{ burst: () => 0 }], ...options })).toThrow(
      expect.objectContaining({ code: 'VPCI_NO_INTERRUPTS' }),
    );
  });
});

describe('an lcore that sleeps', () => {
  /** Sleeps on a queue that stays silent, and reports how often it woke. */
  const SLEEPS = `export default (l) => {
    const sleeper = l.createSleeper([l.rxQueue(0)]);
    l.createSleeper([]).close();
    while (l.running()) { l.stats[0]++; sleeper.sleep(${FOR_EVER_MS}); }
  }`;

  afterEach(() => {
    for (const port of ports()) port.close();
  });

  it('is woken by stop(), and leaves nothing behind', async () => {
    const port = openPort('net_null0,no-rx=1');
    const before = openFds();
    const lcore = launch({ cpu, ports: [port], module: module(SLEEPS) });
    await until('it sleeps', () => lcore.stats[0] > 0);
    await lcore.stop();
    await until('no descriptor is left over', () => openFds() <= before);
  });

  it('does not sleep on net_null, where packets are always available', async () => {
    const lcore = launch({ cpu, ports: [openPort('net_null0')], module: module(SLEEPS) });
    await until('it was awake often', () => lcore.stats[0] > 1000);
    await lcore.stop();
  });

  it('has at most 16 sleepers', async () => {
    const lcore = launch({
      cpu,
      module: module('export default (l) => { for (;;) { l.createSleeper([]); l.stats[0]++; } }'),
    });
    await expect(lcore.exited).rejects.toThrow('already has 16');
    expect(lcore.stats[0]).toBe(16);
  });

  const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  /** Launches an lcore, waits until it sleeps, and continues with `then`. */
  const launcher = (then: string) =>
    module(
      `import { launch } from ${url('./launch.ts')};
       import { openPort } from ${url('../drivers/registry.ts')};
       const lcore = launch({ cpu: ${cpu}, ports: [openPort('net_null0,no-rx=1')], module: ${JSON.stringify(module(SLEEPS))} });
       while (lcore.stats[0] === 0) await new Promise((resolve) => setTimeout(resolve, 5));
       ${then};`,
    );
  const exitCode = (main: string) => {
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), main], {
      stdio: 'ignore',
    });
    return new Promise((resolve) => child.once('exit', resolve));
  };

  it.each([
    ['process.exit(5)', 5],
    ['setImmediate(() => { throw new Error("boom"); })', 1],
  ])('does not outlive its process: %s', async (end, code) => {
    expect(await exitCode(launcher(end))).toBe(code);
  });

  it('does not outlive the thread that launched it', async () => {
    const middle = launcher(
      `const { parentPort } = await import('node:worker_threads'); parentPort.postMessage(0); setInterval(() => {}, 1e6)`,
    );
    // Node 20 does not apply --import to a worker's first module.
    const first = `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}; register(); await import(${JSON.stringify(pathToFileURL(middle).href)});`;
    const main = module(
      `import { Worker } from 'node:worker_threads';
       const worker = new Worker(new URL(${JSON.stringify(`data:text/javascript,${encodeURIComponent(first)}`)}));
       worker.once('message', async () => { await worker.terminate(); process.exit(5); });`,
    );
    expect(await exitCode(main)).toBe(5);
  });
});
