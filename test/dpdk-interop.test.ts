// SPDX-License-Identifier: BSD-3-Clause
// Debian's DPDK as the peer: packets from a capture file go out of its virtio-user port, through our macswap, and back into a second capture file. The
// contents must be equal but for the addresses, which must have changed places.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dpdkMissing, hugepagesFree, Testpmd } from './support/dpdk.ts';
import { makeFrames, swapped } from './support/frames.ts';
import { readPcap, writePcap } from './support/pcap.ts';
import { Tool } from './support/tool.ts';
import { until } from './support/wait.ts';

/** Few enough to wait in the smallest ring here: nothing may be dropped for want of room. */
const FRAMES = 100;

describe.skipIf(dpdkMissing())('with dpdk-testpmd and net_virtio_user as the peer', () => {
  let folder: string;
  const path = (name: string) => join(folder, name);
  const tools: Tool[] = [];
  let dpdk: Testpmd | undefined;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-dpdk-'));
    const device = new Tool('tools/device/main.ts', [
      '--vhost-user',
      path('vhost.sock'),
      '--vfio-user',
      path('vfio.sock'),
    ]);
    tools.push(device);
    await device.printed('ready');
    await startDriver();
  });

  async function startDriver(): Promise<void> {
    const pmd = new Tool('src/testpmd/main.ts', [
      '--lcores=0@0,1@0',
      `--vdev=net_vhost_pci0,path=${path('vfio.sock')}`,
      '--',
      '--auto-start',
      '--forward-mode=macswap',
      '--stats-period=60',
    ]);
    tools.push(pmd);
    await pmd.printed('nb forwarding ports=1');
  }

  afterEach(async () => {
    await dpdk?.stop();
    for (const tool of tools.splice(0)) await tool.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  async function roundTrip(options: { min: number; max: number; vdev: string; huge: boolean }) {
    const frames = makeFrames(FRAMES, options.min, options.max);
    writePcap(path('in.pcap'), frames);
    dpdk = Testpmd.start({
      vdevs: [
        `net_pcap0,rx_pcap=${path('in.pcap')},tx_pcap=${path('out.pcap')}`,
        `net_virtio_user0,path=${path('vhost.sock')},queues=1,${options.vdev}`,
      ],
      hugepages: options.huge,
      interactive: true,
      testpmd: ['--no-flush-rx'],
    });
    await dpdk.waitFor('testpmd>');
    await dpdk.command('start');
    // The file is written through a buffer: stopping the ports flushes it.
    const bytes = frames.reduce((sum, frame) => sum + frame.length + 16, 24);
    await allBack(dpdk);
    await dpdk.command('stop');
    await dpdk.stop();
    await until('the capture is whole', () => statSync(path('out.pcap')).size >= bytes);
    const back = readPcap(path('out.pcap'));
    expect(back.length).toBe(FRAMES);
    for (const [i, frame] of frames.entries())
      expect(back[i].equals(swapped(frame)), `frame ${i}`).toBe(true);
  }

  async function allBack(testpmd: Testpmd): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      await testpmd.command('show port stats 1');
      if ((testpmd.totals(1)?.rxPackets ?? 0) >= FRAMES) return;
      await sleep(100);
    }
    const ours = tools.map((tool) => tool.output).join('\n');
    throw new Error(`frames are missing:\n${testpmd.output.slice(-1500)}\n${ours}`);
  }

  for (const size of [256, 1024])
    for (const mrg of [0, 1])
      for (const inOrder of [0, 1])
        for (const packed of [0, 1])
          for (const huge of [false, true]) {
            const vdev = `queue_size=${size},mrg_rxbuf=${mrg},in_order=${inOrder},packed_vq=${packed}`;
            it.skipIf(huge && !hugepagesFree(256))(
              `frames of 60 to 1514 bytes come back: ${vdev} ${huge ? 'hugepages' : '--no-huge'}`,
              async () => {
                await roundTrip({ min: 60, max: 1514, vdev, huge });
              },
            );
          }

  for (const inOrder of [0, 1])
    for (const packed of [0, 1]) {
      const vdev = `queue_size=1024,mrg_rxbuf=1,in_order=${inOrder},packed_vq=${packed}`;
      it(`frames of 60 to 9000 bytes come back over mergeable buffers: ${vdev}`, async () => {
        await roundTrip({ min: 60, max: 9000, vdev, huge: false });
      });
    }

  it.each([0, 1])(
    'a driver that is killed in full traffic is followed by another: packed_vq=%i',
    async (packed) => {
      dpdk = Testpmd.start({
        vdevs: [`net_virtio_user0,path=${path('vhost.sock')},queues=1,packed_vq=${packed},in_order=0`],
        interactive: true,
        testpmd: ['--forward-mode=flowgen'],
      });
      await dpdk.waitFor('testpmd>');
      await dpdk.command('start');
      const received = async () => {
        await dpdk?.command('show port stats 0');
        return dpdk?.totals()?.rxPackets ?? 0;
      };
      for (let time = 0; time < 4; time++) {
        const before = await received();
        for (let tries = 0; tries < 100 && (await received()) < before + 5000; tries++) await sleep(50);
        expect(await received(), dpdk.output.slice(-1500)).toBeGreaterThanOrEqual(before + 5000);
        await tools.pop()?.kill();
        await startDriver();
      }
      expect(await dpdk.command('show port stats 0')).toMatch(/RX-errors: 0\b/);
    },
  );
});
