// SPDX-License-Identifier: BSD-3-Clause
// Debian's DPDK as the peer, with every kind of ring that it supports: frames from capture files leave its
// virtio-user port, pass through our macswap, and return into other capture files. The contents must be equal
// except for the addresses, which must have been swapped. DPDK 22.11 never negotiates EVENT_IDX;
// test/ring-formats.test.ts covers that.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { dpdkMissing, hugepagesFree, Testpmd } from './support/dpdk.ts';
import { makeFrames, swapped } from './support/frames.ts';
import { PcapPeer } from './support/pcap-peer.ts';
import { Prompt } from './support/prompt.ts';
import { startDeviceModel, type Tool } from './support/tool.ts';

const PAIRS = 4;
/**
 * This many frames of up to 1514 bytes, or of up to 9000 in several buffers each, need fewer buffers than a
 * ring of 256 has.
 */
const FRAMES = 240;
const LARGE_FRAMES = 80;

interface Rings {
  readonly packed: number;
  readonly inOrder: number;
  readonly mergeable: number;
  readonly pairs: number;
}

const rings: Rings[] = [0, 1].flatMap((packed) =>
  [0, 1].flatMap((inOrder) =>
    [0, 1].flatMap((mergeable) => [1, PAIRS].map((pairs) => ({ packed, inOrder, mergeable, pairs }))),
  ),
);
const devargs = ({ packed, inOrder, mergeable }: Rings, size = 256): string =>
  `queue_size=${size},packed_vq=${packed},in_order=${inOrder},mrg_rxbuf=${mergeable}`;

let folder: string;
let device: Tool;
let pmd: Prompt;
let peer: PcapPeer | undefined;
let other: Testpmd | undefined;
const path = (name: string) => join(folder, name);

async function startDevice(...more: string[]): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'vpci-dpdk-'));
  const sockets = { vhostUser: path('vhost.sock'), vfioUser: path('vfio.sock') };
  device = await startDeviceModel({ ...sockets, queues: PAIRS, more });
  await startDriver();
}

async function startDriver(): Promise<void> {
  const queues = [`--rxq=${PAIRS}`, `--txq=${PAIRS}`];
  const vdev = `--vdev=net_vhost_pci0,path=${path('vfio.sock')}`;
  pmd = new Prompt(['--lcores=0@0,1@0', vdev, '--', '-i', '-a', '--forward-mode=macswap', ...queues]);
  await pmd.prints('testpmd> ');
}

async function stopDevice(): Promise<void> {
  await pmd?.kill();
  await device?.kill();
  if (folder) rmSync(folder, { recursive: true, force: true });
}

async function startPeer(pairs: number, virtio: string, hugepages = false): Promise<PcapPeer> {
  await pmd.say('clear port xstats all');
  peer = await PcapPeer.start({ folder, vhostUser: path('vhost.sock'), pairs, virtio, hugepages });
  return peer;
}

/** What the driver reports about its peer's features. */
const peerFeatures = async () => / Peer features: (.*)/.exec(await pmd.say('show port info 0'))?.[1];

/** A round trip of frames of all these sizes, with different frames on each queue. */
async function allComeBack(from: PcapPeer, pairs: number, most: number, cut = false): Promise<void> {
  const count = most > 1514 ? LARGE_FRAMES : FRAMES;
  const frames = Array.from({ length: pairs }, (_, queue) => makeFrames(count, 60, most, queue));
  const back = await from.roundTrip(frames, cut);
  expect(back.map((list) => list.length)).toEqual(frames.map(() => count));
  const wrong = frames.flatMap((list, queue) =>
    list.flatMap((frame, i) => (back[queue]?.[i]?.equals(swapped(frame)) ? [] : [`queue ${queue}: ${i}`])),
  );
  expect(wrong).toEqual([]);
}

/** Packets per queue since the peer was started. */
async function expectCounts(counts: readonly number[]): Promise<void> {
  const xstats = await pmd.say('show port xstats 0');
  const each = (name: string) =>
    counts.map((_, queue) =>
      Number(new RegExp(`^${name.replace('Q', `q${queue}`)}: (\\d+)`, 'm').exec(xstats)?.[1]),
    );
  expect(each('rx_Q_good_packets')).toEqual(counts);
  expect(each('tx_Q_good_packets')).toEqual(counts);
  expect(each('rx_Q_invalid_desc')).toEqual(counts.map(() => 0));
  expect(each('tx_Q_invalid_desc')).toEqual(counts.map(() => 0));
}

describe.skipIf(dpdkMissing())('with dpdk-testpmd and net_virtio_user as the peer', () => {
  afterEach(async () => {
    await peer?.testpmd.stop();
    await other?.stop();
    peer = other = undefined;
  });

  // Without indirect tables, a packet in several mbufs is a chain in the ring itself.
  describe.each([
    ['with indirect tables', 'RING_INDIRECT_DESC', 'mrg_rxbuf,in_order,event_idx,ring_packed,indirect_desc'],
    ['without indirect tables', '', 'mrg_rxbuf,in_order,event_idx,ring_packed'],
  ])('%s', (_, indirect, offered) => {
    beforeAll(() => startDevice('--features', offered));
    afterAll(stopDevice);

    it.each(rings.map((ring) => [`${devargs(ring)},queues=${ring.pairs}`, ring] as const))(
      'frames of all sizes come back, in one buffer and in several: %s',
      async (_args, ring) => {
        const { pairs } = ring;
        const from = await startPeer(pairs, devargs(ring));
        expect(await peerFeatures()).toBe(
          [
            ring.mergeable ? 'MRG_RXBUF' : '',
            pairs > 1 ? 'MQ' : '',
            indirect,
            'VERSION_1',
            ring.packed ? 'RING_PACKED' : '',
            ring.inOrder ? 'IN_ORDER' : '',
          ]
            .filter(Boolean)
            .join(' '),
        );
        // Several times, so that the rings wrap around.
        for (const cut of [false, true, false, true]) await allComeBack(from, pairs, 1514, cut);
        if (ring.mergeable) await allComeBack(from, pairs, 9000);
        const each = 4 * FRAMES + ring.mergeable * LARGE_FRAMES;
        await expectCounts(Array.from({ length: PAIRS }, (_each, queue) => (queue < pairs ? each : 0)));
      },
    );
  });

  describe('with all features offered', () => {
    beforeAll(() => startDevice());
    afterAll(stopDevice);

    it.skipIf(!hugepagesFree(256)).each([0, 1])(
      'frames come back through hugepage memory and rings of 1024: packed_vq=%i',
      async (packed) => {
        const args = devargs({ packed, inOrder: 0, mergeable: 0, pairs: PAIRS }, 1024);
        await allComeBack(await startPeer(PAIRS, args, true), PAIRS, 1514);
        await expectCounts(Array(PAIRS).fill(FRAMES));
      },
    );

    it.each([0, 1])('queue pairs are switched off and the others go on: packed_vq=%i', async (packed) => {
      const from = await startPeer(PAIRS, devargs({ packed, inOrder: 1, mergeable: 1, pairs: PAIRS }));
      // VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET is sent when the port starts.
      for (const pairs of [PAIRS, 2]) {
        await from.testpmd.command('port stop all');
        for (const which of ['rxq', 'txq']) await from.testpmd.command(`port config all ${which} ${pairs}`);
        await from.testpmd.command('port start all');
        await allComeBack(from, pairs, 1514);
        const info = await pmd.say('show port info 0');
        const engines = [...info.matchAll(/[RT]X engine (\d): (\w+)/g)].map(([, pair, state]) => [
          pair,
          state,
        ]);
        expect(engines).toHaveLength(2 * PAIRS);
        for (const [pair, state] of engines)
          expect([pair, state]).toEqual([pair, Number(pair) < pairs ? 'running' : 'stopped']);
      }
      await expectCounts([2 * FRAMES, 2 * FRAMES, FRAMES, FRAMES]);
    });

    it.each([0, 1])(
      'a driver that is killed in full traffic is followed by another: packed_vq=%i',
      async (packed) => {
        const virtio = `net_virtio_user0,path=${path('vhost.sock')},queues=1,packed_vq=${packed},in_order=0`;
        const dpdk = Testpmd.start({
          vdevs: [virtio],
          interactive: true,
          testpmd: ['--forward-mode=flowgen'],
        });
        other = dpdk;
        await dpdk.waitFor('testpmd>');
        await dpdk.command('start');
        const received = async () => {
          await dpdk.command('show port stats 0');
          return dpdk.totals()?.rxPackets ?? 0;
        };
        for (let time = 0; time < 4; time++) {
          const before = await received();
          for (let tries = 0; tries < 1200 && (await received()) < before + 5000; tries++) await sleep(50);
          expect(await received(), dpdk.output.slice(-1500)).toBeGreaterThanOrEqual(before + 5000);
          await pmd.kill();
          await startDriver();
        }
        expect(await dpdk.command('show port stats 0')).toMatch(/RX-errors: 0\b/);
      },
    );
  });
});
