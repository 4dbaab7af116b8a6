// SPDX-License-Identifier: BSD-3-Clause
// The driver against the real device model and the built-in peer, each in its own process.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Stage } from './support/stage.ts';
import { until } from './support/wait.ts';

describe('driver, device model and peer', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(async () => {
    await stage.close();
  });

  it('carry every frame there and back with its contents unchanged', async () => {
    await stage.startDevice();
    const port = stage.startPort();
    expect(port.link().up).toBe(false);
    await stage.finished(stage.startPeer('--count', '20000', '--no-reconnect'));
    expect(port.stats()).toMatchObject({ ipackets: 20_000, opackets: 20_000, ierrors: 0, oerrors: 0 });
    await until('the link is down', () => !port.link().up);
  });

  it('use several queue pairs', async () => {
    await stage.startDevice('--queues', '5');
    const port = stage.startPort({ queues: '2' });
    await stage.finished(stage.startPeer('--queues', '2', '--count', '20000', '--no-reconnect'));
    const xstats = port.xstats();
    expect(xstats.get('rx_q0_good_packets')).toBeGreaterThan(0);
    expect(xstats.get('rx_q1_good_packets')).toBeGreaterThan(0);
  });

  it('work with a driver that comes after the peer', async () => {
    await stage.startDevice();
    const peer = stage.startPeer('--count', '5000', '--no-reconnect');
    await peer.printed('The back-end is up');
    stage.startPort();
    await stage.finished(peer);
  });

  it('work without the protocol extensions', async () => {
    await stage.startDevice('--reference');
    const peer = stage.startPeer('--count', '5000', '--no-reconnect');
    await peer.printed('The back-end is up');
    const port = stage.startPort();
    await stage.finished(peer);
    expect(port.info.details['Device features']).not.toMatch(/SESSION/);
  });

  it('survive the death of the peer under full traffic', async () => {
    await stage.startDevice();
    const port = stage.startPort();
    const peer = stage.startPeer();
    await until('traffic flows', () => port.stats().ipackets > 5000);
    await peer.kill();
    await until('the link is down', () => !port.link().up);
    const { ipackets } = port.stats();
    await stage.finished(stage.startPeer('--count', '5000', '--no-reconnect'));
    expect(port.stats().ipackets).toBeGreaterThanOrEqual(ipackets + 5000);
  });

  it('survive the death of the device model', async () => {
    const device = await stage.startDevice();
    const port = stage.startPort();
    let removed = 0;
    port.on('removed', () => removed++);
    stage.startPeer();
    await until('traffic flows', () => port.stats().ipackets > 5000);
    await device.kill();
    await until('the removal is reported', () => removed > 0);
    expect([removed, port.link().up]).toEqual([1, false]);
    expect(() => port.xstats()).not.toThrow();
    port.stop();
    expect(() => port.start()).toThrow(/its device is removed/);
  });

  it('continue with another driver after the first one', async () => {
    await stage.startDevice();
    const first = stage.startPort();
    const peer = stage.startPeer('--window', '64');
    await until('traffic flows', () => first.stats().ipackets > 5000);
    stage.stopEchoes();
    first.close();
    const second = stage.startPort();
    await until('traffic flows again', () => second.stats().ipackets > 5000);
    await peer.kill('SIGINT');
    expect(peer.output).not.toMatch(/bad_checksum [1-9]/);
    expect(second.stats().ierrors).toBe(0);
  });

  it('continue with another driver after the first one was killed under full traffic', async () => {
    await stage.startDevice();
    const first = stage.run('test/support/echo-driver.ts', stage.path('vfio.sock'));
    const peer = stage.startPeer('--window', '64');
    await first.printed('5000 packets');
    await first.kill();
    const second = stage.startPort();
    await until('traffic flows again', () => second.stats().ipackets > 5000);
    expect(second.stats().ierrors).toBe(0);
    expect(peer.running).toBe(true);
  });

  it('refuse a second driver', async () => {
    await stage.startDevice();
    stage.openPort();
    expect(() => stage.openPort()).toThrow(
      expect.objectContaining({
        code: 'EBUSY',
        message: `Failed to open ${stage.path('vfio.sock')}: it is in use by another driver`,
      }),
    );
  });

  it('refuse more queues than the device has', async () => {
    await stage.startDevice('--queues', '2');
    expect(() => stage.openPort({ queues: '3' })).toThrow(
      /3 queues were requested, but the device has 2 queue pairs/,
    );
  });
});
