// SPDX-License-Identifier: BSD-3-Clause
// Packets that a driver may send and no receiver can accept: too large for the receiver's whole pool, or too
// short to be a frame. They are dropped and counted, and the packets after them arrive. For runts, the same
// is checked with DPDK's own back-end.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encode } from '../src/abi/layout.ts';
import { VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_HDR } from '../src/abi/virtio-net.ts';
import { features } from '../src/virtio/features.ts';
import { latestOf } from '../tools/run/testpmd-output.ts';
import { type Flow, headerBytes, transportOffset, uncut } from './model/segmentation.ts';
import { ChainPeer } from './support/chain-peer.ts';
import { dpdkMissing, Testpmd } from './support/dpdk.ts';
import { makeFrames } from './support/frames.ts';
import { Prompt } from './support/prompt.ts';
import { Stage } from './support/stage.ts';
import { until } from './support/wait.ts';

/** VIRTIO 1.2, 5.1.6. */
const NEEDS_CSUM = 1;
const GSO_TCPV4 = 1;
const PLAIN = { data: new Uint8Array(VIRTIO_NET_HDR.size) };
const GOOD = makeFrames(100, 60, 1514, 0);

let stage: Stage;
let peer: ChainPeer | undefined;

beforeEach(() => {
  stage = new Stage();
});

afterEach(async () => {
  peer?.close();
  peer = undefined;
  await stage.close();
});

/** Waits until `count` chains have come back. */
async function comeBack(from: ChainPeer, count: number): Promise<void> {
  let back = 0;
  await until(`${count} chains are back`, () => {
    back += from.returned();
    return back >= count;
  });
  expect(back).toBe(count);
}

async function startPmd(...options: string[]): Promise<Prompt> {
  await stage.startDevice();
  const vdev = `net_vhost_pci0,path=${stage.path('vfio.sock')}`;
  const ours = [
    '--no-huge',
    '--lcores',
    '0@0,1@0',
    '--vdev',
    vdev,
    '--',
    '-i',
    '-a',
    '--forward-mode=rxonly',
  ];
  const pmd = new Prompt([...ours, ...options]);
  await pmd.prints('testpmd> ');
  return pmd;
}

const count = (text: string, name: string): number => Number(new RegExp(`${name}: +(\\d+)`).exec(text)?.[1]);

describe('testpmd', () => {
  let pmd: Prompt | undefined;

  afterEach(async () => {
    await pmd?.kill();
  });

  it('regression: with a pool of 64 KiB drops a packet of 65,549 bytes and continues', async () => {
    // 1024 mbufs with 64 packet bytes each.
    pmd = await startPmd('--mbuf-size=192', '--total-num-mbufs=1024');
    peer = await ChainPeer.start(
      stage.path('vhost.sock'),
      features(VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4),
    );
    const large = segmentable(65_549);
    for (const frame of GOOD.slice(0, 50)) peer.send(PLAIN, { data: frame });
    peer.send(...large);
    for (const frame of GOOD.slice(50)) peer.send(PLAIN, { data: frame });
    await comeBack(peer, 101);
    expect(latestOf(await pmd.say('show port stats 0'), 0)?.rxPackets).toBe(100);
    // As many at once as the pool can hold, and again when it is empty.
    for (let round = 0; round < 3; round++) {
      peer.send(...segmentable(65_536));
      peer.send(...large);
      await comeBack(peer, 2);
    }
    const stats = latestOf(await pmd.say('show port stats 0'), 0);
    expect(stats).toMatchObject({ rxPackets: 103, rxErrors: 4 });
    expect(count(await pmd.say('show port xstats 0'), 'rx_q0_oversize_errors')).toBe(4);
  });

  it('regression: receives all good packets among runts, which come back and are counted', async () => {
    pmd = await startPmd();
    peer = await ChainPeer.start(stage.path('vhost.sock'), 0n);
    const runts = sendAmongRunts(peer);
    await comeBack(peer, GOOD.length + runts);
    const stats = latestOf(await pmd.say('show port stats 0'), 0);
    expect(stats).toMatchObject({ rxPackets: GOOD.length, rxErrors: runts });
    expect(count(await pmd.say('show port xstats 0'), 'rx_q0_undersize_errors')).toBe(runts);
  });
});

describe.skipIf(dpdkMissing())('DPDK net_vhost', () => {
  it('receives all good packets among runts, which come back', async () => {
    const socket = stage.path('vhost.sock');
    const other = Testpmd.start({
      vdevs: [`net_vhost0,iface=${socket},queues=1`],
      testpmd: ['--forward-mode=rxonly', '--auto-start'],
    });
    try {
      await other.waitFor('Press enter to exit');
      peer = await ChainPeer.start(socket, 0n);
      await comeBack(peer, GOOD.length + sendAmongRunts(peer));
      await other.stop();
      expect(other.totals()?.rxPackets).toBe(GOOD.length);
    } finally {
      await other.stop();
    }
  });
});

/**
 * Sends eleven chains that hold only a network header, one after each ninth good packet; returns their
 * number.
 */
function sendAmongRunts(to: ChainPeer): number {
  let runts = 0;
  for (const [i, frame] of GOOD.entries()) {
    to.send(PLAIN, { data: frame });
    if (i % 9 !== 8) continue;
    to.send(PLAIN);
    runts++;
  }
  return runts;
}

/** A TCP packet of this many bytes that is still uncut, with its header before it. */
function segmentable(bytes: number) {
  const flow: Flow = {
    protocol: 'tcp',
    ip: 4,
    tags: [],
    ipOptions: 0,
    tcpOptions: 0,
    tcpFlags: 0x10,
    sequence: 1,
    ipId: 1,
    addresses: new Uint8Array(32).fill(10),
  };
  const payload = new Uint8Array(bytes - headerBytes(flow));
  const header = encode(VIRTIO_NET_HDR, {
    flags: NEEDS_CSUM,
    gso_type: GSO_TCPV4,
    hdr_len: headerBytes(flow),
    gso_size: 1448,
    csum_start: transportOffset(flow),
    csum_offset: 16,
  });
  return [{ data: new Uint8Array(header.buffer) }, { data: Uint8Array.from(uncut(flow, payload)) }];
}
