// SPDX-License-Identifier: BSD-3-Clause
// What a peer or a driver can do to the device model with the eventfds that it hands over: the real process,
// with an attacker in another process at the other end of each descriptor.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { VHOST_USER } from '../../src/abi/vhost-user.ts';
import { native } from '../../src/native.ts';
import { EventRelay } from '../../tools/device/eventfd/event-relay.ts';
import { u32s, u64s } from '../../tools/device/test-help/channel.test-help.ts';
import { TestDriver } from '../../tools/device/test-help/driver.test-help.ts';
import { TestPeer } from '../../tools/device/test-help/peer.test-help.ts';
import { fed } from '../support/fed.ts';
import { programMissing } from '../support/program-missing.ts';
import { startDeviceModel, type Tool } from '../support/tool.ts';
import { until } from '../support/wait.ts';

const MINUTE = 60_000;
/** Bursts of signals to a descriptor under attack; one in a hundred blocks where a signal can block. */
const ROUNDS = 600;
const BURST = 12;

let folder: string;
let holder: string;
let device: Tool;
let attackers: ChildProcess[];
let received: number[];
const open: { close(): void }[] = [];
const path = (name: string) => join(folder, name);

/** An eventfd with an attacker at its other end. */
async function attacked(kind: 'fill' | 'window' | 'semaphore'): Promise<{ fd: number; strike(): void }> {
  const name = path(`attacker-${attackers.length}`);
  const listener = native.unixListen(name);
  const child = fed(spawn(holder, [name, kind], { stdio: ['pipe', 'ignore', 'inherit'] }));
  attackers.push(child);
  expect(native.pollFd(listener, 'in', MINUTE)).toBe(true);
  const connection = native.unixAccept(listener);
  expect(native.pollFd(connection, 'in', MINUTE)).toBe(true);
  const [fd = -1] = native.receiveMessage(connection, new Uint8Array(1), 1)?.fds ?? [];
  for (const socket of [listener, connection]) native.close(socket);
  received.push(fd);
  return { fd, strike: () => child.stdin?.write('\n') };
}

async function linked(prepare: (peer: TestPeer, driver: TestDriver) => Promise<void>) {
  const peer = new TestPeer(native.unixConnect(path('vhost-user')));
  const driver = new TestDriver(native.unixConnect(path('vfio-user')));
  open.push(peer, driver);
  await prepare(peer, driver);
  await peer.start();
  await driver.start();
  await driver.messages(3);
  await driver.untilLink(true);
  return { peer, driver };
}

/** Checks that it is alive and that a signal ends it. */
async function endsWell(): Promise<void> {
  expect(device.running).toBe(true);
  const killed = device.kill('SIGTERM');
  await until('SIGTERM ends it', () => !device.running, MINUTE);
  await killed;
  expect(device.exitCode).toBe(0);
}

const cpuTicks = () => {
  const fields = readFileSync(`/proc/${device.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
};

describe.skipIf(programMissing('g++', 'g++', 'attacks by eventfds'))(
  'eventfds of an attacker',
  { timeout: 3 * MINUTE },
  () => {
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'vhost-pci-eventfds-'));
      holder = path('eventfd_holder');
      const source = join(import.meta.dirname, 'eventfd_holder.cc');
      execFileSync('g++', [
        '-std=c++20',
        '-O2',
        '-Wall',
        '-Wextra',
        '-Werror',
        '-pthread',
        source,
        '-o',
        holder,
      ]);
    }, MINUTE);
    afterAll(() => rmSync(folder, { recursive: true }));

    beforeEach(async () => {
      attackers = [];
      received = [];
      device = await startDeviceModel({ vhostUser: path('vhost-user'), vfioUser: path('vfio-user') });
    });
    afterEach(async () => {
      for (const end of open.splice(0)) end.close();
      for (const child of attackers) child.kill('SIGKILL');
      await device.kill();
      for (const fd of received) native.close(fd);
    });

    it('regression: F2: a call descriptor that is filled and drained blocks no thread', async () => {
      const { fd, strike } = await attacked('window');
      const { driver } = await linked(async (peer) => {
        peer.calls[0] = native.dup(fd);
      });
      for (let i = 0; i < ROUNDS; i++) {
        strike();
        for (let n = 0; n < BURST; n++) driver.postNotify(1);
        for (let n = 0; n < BURST; n++) expect((await driver.reply()).error).toBe(0);
      }
      expect(await driver.linkUp()).toBe(true);
      await endsWell();
    });

    it('regression: F2: neither does the MSI-X eventfd of a driver', async () => {
      const { fd, strike } = await attacked('window');
      const { driver } = await linked(async (_, { interrupts }) => {
        interrupts[2] = native.dup(fd);
      });
      for (let i = 0; i < ROUNDS; i++) {
        strike();
        for (let n = 0; n < BURST; n++) driver.postTrigger(2);
        for (let n = 0; n < BURST; n++) expect((await driver.reply()).error).toBe(0);
      }
      expect(await driver.linkUp()).toBe(true);
      await endsWell();
    });

    it('regression: F2: nor a kick descriptor that others read', async () => {
      const { fd } = await attacked('fill');
      const { peer, driver } = await linked(async (them) => {
        them.kicks[1] = native.dup(fd);
      });
      for (let i = 0; i < ROUNDS; i++) await peer.ask(VHOST_USER.GET_FEATURES);
      expect(await driver.linkUp()).toBe(true);
      await endsWell();
    });

    it('regression: F3: a semaphore as kick descriptor is refused and costs nothing', async () => {
      const { fd, strike } = await attacked('semaphore');
      strike();
      const { peer, driver } = await linked(async () => {});
      const known = /eventfd-semaphore/.test(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
      expect(await peer.ack(VHOST_USER.SET_VRING_KICK, u64s(1n), [fd])).toBe(known ? 1n : 0n);
      const before = cpuTicks();
      for (let i = 0; i < 200; i++) await new Promise((resolve) => setTimeout(resolve, 10));
      // Two seconds; a spinning loop takes all 200 ticks.
      expect(cpuTicks() - before).toBeLessThan(100);
      expect(await peer.ack(VHOST_USER.SET_VRING_NUM, u32s(0, 256))).toBe(0n);
      expect(await driver.linkUp()).toBe(true);
      await endsWell();
    });

    it('F3: a semaphore that the kernel does not report as one is given up after a few counts', async () => {
      const { fd, strike } = await attacked('semaphore');
      let events = 0;
      let broken = 0;
      const relay = new EventRelay(
        fd,
        () => events++,
        () => broken++,
        () => {},
      );
      strike();
      await until('it is given up', () => broken === 1, MINUTE);
      expect(events).toBeLessThan(100);
      relay.close();
    });
  },
);
