// SPDX-License-Identifier: BSD-3-Clause
// An exception in a callback of the event loop ends one session of the device model: never the process, never
// the other session.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join as joinPath } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VHOST_USER } from '../../src/abi/vhost-user.ts';
import { type Native, native } from '../../src/native.ts';
import { openFds } from '../../test/support/open-fds.ts';
import { until } from '../../test/support/wait.ts';
import { createDevice, type Device, type DeviceOptions } from './device.ts';
import { u64s } from './test-help/channel.test-help.ts';
import { TestDriver } from './test-help/driver.test-help.ts';
import { TestPeer } from './test-help/peer.test-help.ts';

let folder: string;
let device: Device;
let lines: string[];
let fdsBefore: number;
const open: { close(): void }[] = [];
const path = (name: string) => joinPath(folder, name);
const logged = (text: string) => lines.filter((line) => line.includes(text)).length;

function make(options: Partial<DeviceOptions> = {}): void {
  device = createDevice({
    vhostUser: path('vhost-user'),
    vfioUser: path('vfio-user'),
    log: (line) => lines.push(line),
    ...options,
  });
}

function newPeer(fd = native.unixConnect(path('vhost-user'))): TestPeer {
  const peer = new TestPeer(fd);
  open.push(peer);
  return peer;
}

function newDriver(): TestDriver {
  const driver = new TestDriver(native.unixConnect(path('vfio-user')));
  open.push(driver);
  return driver;
}

async function linked(): Promise<{ peer: TestPeer; driver: TestDriver }> {
  make();
  const peer = newPeer();
  await peer.start();
  const driver = newDriver();
  await driver.start();
  await driver.messages(3);
  await driver.untilLink(true);
  return { peer, driver };
}

const FAULT = 'thrown on purpose';

/** The next call of an addon function with these arguments throws, once. */
function breakOnce<K extends keyof Native>(
  name: K,
  when: (...args: unknown[]) => boolean = () => true,
): void {
  const real = native[name] as (...args: unknown[]) => unknown;
  const spy = vi.spyOn(native as unknown as Record<string, (...args: unknown[]) => unknown>, name);
  spy.mockImplementation((...args) => {
    if (!when(...args)) return real(...args);
    spy.mockRestore();
    throw new Error(FAULT);
  });
}

/** One line names the fault; another may report that there is no link because of it. */
const oneLine = () =>
  until(
    'the fault is in the log',
    () => logged(FAULT) - logged(`no link: the last peer left: internal error: ${FAULT}`) === 1,
  );

beforeEach(() => {
  fdsBefore = openFds();
  folder = mkdtempSync(joinPath(tmpdir(), 'vhost-pci-guard-'));
  lines = [];
});

afterEach(async () => {
  vi.restoreAllMocks();
  for (const end of open.splice(0)) end.close();
  device?.close();
  await until('no descriptor is left', () => openFds() <= fdsBefore);
  rmSync(folder, { recursive: true });
});

/** A new driver gets a link to the connected peer. */
async function nextDriver(): Promise<void> {
  const driver = newDriver();
  await driver.start();
  await driver.untilLink(true);
}

describe('the device model', () => {
  it('registers with the event loop in one place only', () => {
    const asks = /\b(native\.watchFd|setTimeout|setInterval|setImmediate|queueMicrotask|nextTick)\(/;
    const tools = dirname(import.meta.dirname);
    const files = ['device', 'socket'].flatMap((folder) =>
      readdirSync(joinPath(tools, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => /^(?!.*\.test).*\.ts$/.test(file))
        .map((file) => joinPath(folder, file)),
    );
    expect(files.length).toBeGreaterThan(30);
    const found = files.filter((file) => asks.test(readFileSync(joinPath(tools, file), 'utf8')));
    expect(found).toEqual(['socket/guard.ts']);
  });
});

describe('regression: F1: what throws', () => {
  it("in a driver's doorbell, for the peer, ends the peer's session", async () => {
    const { peer, driver } = await linked();
    breakOnce('eventfdSignal');
    await driver.notify(0);
    await oneLine();
    await until('the peer is gone', () => peer.channel.closedBecause !== null);
    expect(await driver.linkUp()).toBe(false);
    await newPeer().start();
    await driver.untilLink(true);
  });

  it("in a peer's kick, for the driver, ends the driver's session", async () => {
    const { peer, driver } = await linked();
    breakOnce('eventfdSignal');
    // Does not use the function that is to throw.
    writeSync(peer.kicks[1] as number, u64s(1n));
    await oneLine();
    await until('the driver is gone', () => driver.channel.closedBecause !== null);
    await nextDriver();
    expect(peer.channel.closedBecause).toBeNull();
  });

  it("in a message to the driver ends the driver's session, also when the peer is the cause", async () => {
    const { peer, driver } = await linked();
    breakOnce('chainReturn');
    expect(await peer.ack(VHOST_USER.SEND_RARP, u64s(2n))).toBe(0n);
    await oneLine();
    await until('the driver is gone', () => driver.channel.closedBecause !== null);
    await nextDriver();
    expect(peer.channel.closedBecause).toBeNull();
  });

  it.each(['vhost-user', 'vfio-user'])('in the accept of %s drops that connection', async (socket) => {
    make();
    breakOnce('watchFd');
    const dropped = native.unixConnect(path(socket));
    open.push({ close: () => native.close(dropped) });
    await oneLine();
    await newPeer().start();
    await nextDriver();
  });

  it('in accept itself makes it pause', async () => {
    make();
    breakOnce('unixAccept');
    const peer = newPeer();
    await oneLine();
    await peer.start();
    await nextDriver();
  });

  it('in a timer of the session ends the session of the driver that it waited for', async () => {
    const { peer, driver } = await linked();
    breakOnce('queueQuiesce');
    await peer.vringBase(1);
    await oneLine();
    await until('the driver is gone', () => driver.channel.closedBecause !== null);
    await peer.startRing(1);
    await nextDriver();
  });

  it('in a timer that connects to the peer lets the next one try', async () => {
    make({ vhostUserMode: 'client' });
    breakOnce('watchFd');
    const listener = native.unixListen(path('vhost-user'));
    open.push({ close: () => native.close(listener) });
    await oneLine();
    native.close(native.unixAccept(listener));
    let fd = -1;
    await until('it connects again', () => {
      fd = native.unixAccept(listener);
      return fd >= 0;
    });
    await newPeer(fd).start();
    await nextDriver();
  });

  it("at the end of a driver's connection leaves room for the next", async () => {
    const { driver } = await linked();
    breakOnce('queueQuiesce');
    driver.channel.close();
    await oneLine();
    await nextDriver();
  });

  it("at the end of a peer's connection leaves room for the next", async () => {
    const { peer, driver } = await linked();
    breakOnce('chainReturn');
    peer.channel.close();
    await oneLine();
    await until('the driver is gone', () => driver.channel.closedBecause !== null);
    await newPeer().start();
    await nextDriver();
  });
});
