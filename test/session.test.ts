// SPDX-License-Identifier: BSD-3-Clause
// The driver against the real device model and the built-in peer, each in a process of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Port } from '../src/ethdev/port.ts';
import { vhostPciDriver } from '../src/ethdev/vhost-pci-port.ts';
import { Echo } from './support/echo.ts';
import { openFds } from './support/open-fds.ts';
import { Tool } from './support/tool.ts';
import { until } from './support/wait.ts';

describe('driver, device model and peer', () => {
  let folder: string;
  let before: number;
  const tools: Tool[] = [];
  const ports: Port[] = [];
  const echoes: Echo[] = [];
  const path = (name: string) => join(folder, name);

  const start = (name: string, args: readonly string[]) => {
    const tool = new Tool(`tools/${name}/main.ts`, args);
    tools.push(tool);
    return tool;
  };
  const startDevice = async (...args: string[]) => {
    const device = start('device', [
      '--vhost-user',
      path('vhost.sock'),
      '--vfio-user',
      path('vfio.sock'),
      ...args,
    ]);
    await device.printed('ready');
    return device;
  };
  const startPeer = (...args: string[]) => start('peer', ['--vhost-user', path('vhost.sock'), ...args]);
  const openPort = (devargs: Record<string, string> = {}) => {
    const port = vhostPciDriver.probe(
      0,
      'net_vhost_pci0',
      new Map(Object.entries({ path: path('vfio.sock'), ...devargs })),
    );
    ports.push(port);
    return port;
  };
  const startPort = (devargs: Record<string, string> = {}) => {
    const port = openPort(devargs);
    port.start();
    echoes.push(new Echo(port));
    return port;
  };
  const stopEchoes = () => {
    for (const echo of echoes.splice(0)) echo.stop();
  };
  const finished = async (peer: Tool) => {
    await until('the peer ends', () => !peer.running, 30_000);
    expect(peer.output).not.toMatch(/not back/);
    expect(peer.exitCode, peer.output).toBe(0);
  };

  beforeEach(() => {
    before = openFds();
    folder = mkdtempSync(join(tmpdir(), 'vpci-session-'));
  });

  afterEach(async () => {
    stopEchoes();
    for (const port of ports.splice(0)) port.close();
    for (const tool of tools.splice(0)) await tool.kill();
    rmSync(folder, { recursive: true, force: true });
    await until('no descriptor is left over', () => openFds() <= before);
  });

  it('carry every frame there and back, its contents unchanged', async () => {
    await startDevice();
    const port = startPort();
    expect(port.link().up).toBe(false);
    await finished(startPeer('--count', '20000', '--no-reconnect'));
    expect(port.stats()).toMatchObject({ ipackets: 20_000, opackets: 20_000, ierrors: 0, oerrors: 0 });
    await until('the link is down', () => !port.link().up);
  });

  it('use several queue pairs', async () => {
    await startDevice('--queues', '5');
    const port = startPort({ queues: '2' });
    await finished(startPeer('--queues', '2', '--count', '20000', '--no-reconnect'));
    const xstats = port.xstats();
    expect(xstats.get('rx_q0_good_packets')).toBeGreaterThan(0);
    expect(xstats.get('rx_q1_good_packets')).toBeGreaterThan(0);
  });

  it('work with a driver that comes after the peer', async () => {
    await startDevice();
    const peer = startPeer('--count', '5000', '--no-reconnect');
    await peer.printed('The back-end is up');
    startPort();
    await finished(peer);
  });

  it('work without the extensions', async () => {
    await startDevice('--reference');
    const peer = startPeer('--count', '5000', '--no-reconnect');
    await peer.printed('The back-end is up');
    const port = startPort();
    await finished(peer);
    expect(port.info.details['Device features']).not.toMatch(/SESSION/);
  });

  it('survive the death of the peer in full traffic', async () => {
    await startDevice();
    const port = startPort();
    const peer = startPeer();
    await until('traffic flows', () => port.stats().ipackets > 5000);
    await peer.kill();
    await until('the link is down', () => !port.link().up, 1000);
    const { ipackets } = port.stats();
    await finished(startPeer('--count', '5000', '--no-reconnect'));
    expect(port.stats().ipackets).toBeGreaterThanOrEqual(ipackets + 5000);
  });

  it('survive the death of the device model', async () => {
    const device = await startDevice();
    const port = startPort();
    let removed = 0;
    port.on('removed', () => removed++);
    startPeer();
    await until('traffic flows', () => port.stats().ipackets > 5000);
    await device.kill();
    await until('the removal is told', () => removed > 0);
    expect([removed, port.link().up]).toEqual([1, false]);
    expect(() => port.xstats()).not.toThrow();
    port.stop();
    expect(() => port.start()).toThrow(/its device is removed/);
  });

  it('go on with another driver after the first one', async () => {
    await startDevice();
    const first = startPort();
    const peer = startPeer('--window', '64');
    await until('traffic flows', () => first.stats().ipackets > 5000);
    stopEchoes();
    first.close();
    const second = startPort();
    await until('traffic flows again', () => second.stats().ipackets > 5000, 20_000);
    await peer.kill('SIGINT');
    expect(peer.output).not.toMatch(/bad_checksum [1-9]/);
    expect(second.stats().ierrors).toBe(0);
  });

  it('go on with another driver after the first one was killed in full traffic', async () => {
    await startDevice();
    const first = new Tool('test/support/echo-driver.ts', [path('vfio.sock')]);
    tools.push(first);
    const peer = startPeer('--window', '64');
    await first.printed('5000 packets');
    await first.kill();
    const second = startPort();
    await until('traffic flows again', () => second.stats().ipackets > 5000, 20_000);
    expect(second.stats().ierrors).toBe(0);
    expect(peer.running).toBe(true);
  });

  it('refuse a second driver', async () => {
    await startDevice();
    openPort();
    expect(() => openPort()).toThrow(
      expect.objectContaining({
        code: 'EBUSY',
        message: `Failed to open ${path('vfio.sock')}: it is in use by another driver`,
      }),
    );
  });

  it('refuse more queues than the device has', async () => {
    await startDevice('--queues', '2');
    expect(() => openPort({ queues: '3' })).toThrow(
      /3 queues were asked for, but the device has 2 queue pairs/,
    );
  });

  it.each(['address-out-of-range', 'chain-loop', 'length-overflow'])(
    'stop a ring that the peer breaks by %s, count it, and go on',
    async (kind) => {
      await startDevice();
      const port = startPort();
      const peer = startPeer('--hostile', kind);
      await until('the ring is broken', () => String(port.info.details['RX engine 0']).startsWith('broken'));
      expect(port.xstats().get('rx_q0_invalid_desc')).toBe(1);
      expect(String(port.info.details['TX engine 0'])).toMatch(/^running/);
      expect(port.link().up).toBe(true);
      await peer.kill();
      await finished(startPeer('--count', '2000', '--no-reconnect'));
    },
  );
});
