// SPDX-License-Identifier: BSD-3-Clause
// Memory in a file whose file system does not answer: every call into it blocks the calling thread, and a
// touched page never arrives. The device model does not make such calls; a driver that was configured to
// accept such memory loses the queues on it, and nothing else.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encode } from '../src/abi/layout.ts';
import { VHOST_USER } from '../src/abi/vhost-user.ts';
import { VRING_DESC, VRING_DESC_F_WRITE } from '../src/abi/virtio-ring.ts';
import { native } from '../src/native.ts';
import { join, u32s, u64s } from '../tools/device/test-help/channel.test-help.ts';
import { DRIVER_NET, GATE, REMAP, SESSION, TestDriver } from '../tools/device/test-help/driver.test-help.ts';
import {
  GPA,
  MEMORY_BYTES,
  NET_AND_PROTOCOL,
  ringOffsets,
  TestPeer,
  USER,
} from '../tools/device/test-help/peer.test-help.ts';
import { Prompt } from './support/prompt.ts';
import { fuseMissing, SilentFuse } from './support/silent-fuse.ts';
import { Stage } from './support/stage.ts';
import { until } from './support/wait.ts';

const MQ = 1n << 22n;
const ENTRIES = 256;
const BUFFER_BYTES = 2048;
const FILE_BYTES = ENTRIES * BUFFER_BYTES;
/** Guest-physical address of the file in the peer. */
const FILE_GPA = GPA + BigInt(2 * MEMORY_BYTES);
const FILE_USER = USER + BigInt(2 * MEMORY_BYTES);
/** Offset of the buffers in the peer's own memory. */
const BUFFERS = MEMORY_BYTES - FILE_BYTES;

describe.skipIf(fuseMissing())('memory on a file system that does not answer', () => {
  let stage: Stage;
  let fuse: SilentFuse;
  let prompt: Prompt | null;
  const ends: { close(): void }[] = [];

  beforeEach(() => {
    stage = new Stage();
    prompt = null;
  });

  afterEach(async () => {
    for (const end of ends.splice(0)) end.close();
    await fuse.end();
    await prompt?.kill();
    await stage.close();
  });

  const newPeer = () => {
    const peer = new TestPeer(native.unixConnect(stage.path('vhost.sock')));
    ends.push(peer);
    return peer;
  };

  it.each(['statfs', 'getattr', 'flush', 'read=0'])(
    'regression: F7: is refused by the device model, which does not wait for its %s',
    async (silence) => {
      // A child would close its copy of the descriptor, and hang, before it execs.
      const device = await stage.startDevice('-v');
      fuse = await SilentFuse.mount(FILE_BYTES, [silence]);
      const fd = fuse.open();
      const peer = newPeer();
      await peer.negotiate();
      const table = join(u32s(1, 0), peer.region(FILE_GPA, BigInt(FILE_BYTES), FILE_USER));
      expect(await peer.ack(VHOST_USER.SET_MEM_TABLE, table, [fd])).toBe(1n);
      await device.printed('a file on fuse, whose page faults may block forever: use a memfd');
      await device.printed('or --allow-memory-fs fuse if you trust it');
      expect(await peer.ack(VHOST_USER.SET_VRING_KICK, u64s(0n), [fd])).toBe(1n);
      const driver = new TestDriver(native.unixConnect(stage.path('vfio.sock')));
      ends.push(driver);
      await driver.version();
      expect(await driver.mapDma([fd], 0x4000_0000n, BigInt(FILE_BYTES))).toBe(22);
      // Both continue.
      expect(await peer.sendMemory()).toBe(0n);
      for (const ring of [0, 1]) await peer.startRing(ring);
      for (const ring of [0, 1]) await peer.enable(ring);
      await driver.restart(DRIVER_NET | SESSION | REMAP | GATE);
      await driver.untilLink(true);
    },
  );

  /** A ring of the peer with all buffers laid out in the file or in its own memory. */
  function layOut(peer: TestPeer, ring: number, buffers: bigint): void {
    const { desc, avail } = ringOffsets(ring);
    for (let i = 0; i < ENTRIES; i++) {
      const addr = buffers + BigInt(i * BUFFER_BYTES);
      encode(
        VRING_DESC,
        { addr, len: BUFFER_BYTES, flags: VRING_DESC_F_WRITE, next: 0 },
        peer.view,
        desc + i * 16,
      );
      peer.view.setUint16(avail + 4 + 2 * i, i, true);
    }
    peer.view.setUint16(avail + 2, ENTRIES, true);
  }

  /** testpmd sends on two queues, of which the first is stuck in the silent file; `test` types the rest. */
  async function withStuckQueue(
    test: (prompt: Prompt, flows: () => Promise<void>, used: (ring: number) => number) => Promise<void>,
  ): Promise<number | string | undefined> {
    fuse = await SilentFuse.mount(FILE_BYTES, ['read=0']);
    await stage.startDevice('--queues', '2', '--allow-memory-fs', 'fuse');
    const peer = newPeer();
    await peer.negotiate(NET_AND_PROTOCOL | MQ);
    const regions = [peer.region(), peer.region(FILE_GPA, BigInt(FILE_BYTES), FILE_USER)];
    const table = join(u32s(2, 0), ...regions);
    expect(await peer.ack(VHOST_USER.SET_MEM_TABLE, table, [peer.memory, fuse.open()])).toBe(0n);
    layOut(peer, 0, FILE_GPA);
    layOut(peer, 2, GPA + BigInt(BUFFERS));
    for (const ring of [0, 1, 2, 3]) await peer.startRing(ring);
    for (const ring of [0, 1, 2, 3]) await peer.enable(ring);
    const used = (ring: number) => peer.view.getUint16(ringOffsets(ring).used + 2, true);
    const feed = setInterval(() => {
      peer.view.setUint16(ringOffsets(2).avail + 2, (used(2) + ENTRIES) & 0xffff, true);
    }, 1);
    const testpmd = new Prompt([
      ...['--no-huge', '--lcores', '0@0,1@1,2@1', '--allow-memory-fs', 'fuse'],
      ...[`--vdev=net_vhost_pci0,path=${stage.path('vfio.sock')}`],
      ...['--', '-i', '--nb-cores=2', '--rxq=2', '--txq=2', '--forward-mode=txonly', '--auto-start'],
    ]);
    prompt = testpmd;
    try {
      await fuse.says('silent read');
      const flows = async () => {
        const before = used(2);
        await until('the other queue sends', () => used(2) !== before, 60_000);
      };
      await flows();
      expect(await testpmd.say('show port summary all')).toContain('Link');
      await test(testpmd, flows, used);
      testpmd.write('quit');
      await testpmd.prints('Bye...');
    } finally {
      clearInterval(feed);
    }
    await fuse.end();
    await until('it ends', () => !testpmd.running, 60_000);
    return testpmd.exit;
  }

  it('regression: F7: that was accepted costs a queue, but neither the prompt nor the other queues', async () => {
    const exit = await withStuckQueue(async (testpmd, flows, used) => {
      expect(await testpmd.say('stop')).toMatch(/Failed to stop lcore 1/);
      await testpmd.say('port stop 0');
      const given = /TX engine 0 is stuck: a burst does not return from the peer's memory/g;
      await until('the queue is given up', () => given.test(testpmd.out));
      await testpmd.say('port start 0');
      await testpmd.say('start');
      await flows();
      expect(testpmd.out.match(given)).toHaveLength(1);
      expect(used(0)).toBe(0);
    });
    expect(exit).toBe(0);
  });

  it('makes the exit status 1 if the last run did not stop', async () => {
    expect(await withStuckQueue(async () => {})).toBe(1);
  });
});
