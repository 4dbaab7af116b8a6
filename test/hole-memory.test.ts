// SPDX-License-Identifier: BSD-3-Clause
// A peer whose memory is mostly holes: touching one allocates a page, charged to the driver's process until
// the kernel kills it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HoleSender } from './support/hole-sender.ts';
import { holeLimitMissing, MemoryGroup } from './support/memory-group.ts';
import { Prompt } from './support/prompt.ts';
import { Stage } from './support/stage.ts';
import { until } from './support/wait.ts';

const TIB = 2 ** 40;
const GROUP_BYTES = 512 << 20;
const BOUND_MS = 120_000;

/** Some containers allow neither; the test runs where both are available. */
const reason = MemoryGroup.missing() || holeLimitMissing();
if (reason) console.warn(`The tests of a peer's holes are skipped: ${reason}`);

describe.skipIf(reason)('testpmd in a memory control group, and a peer of a terabyte of holes', () => {
  let stage: Stage;
  let group: MemoryGroup;
  let prompt: Prompt;
  let peer: HoleSender;

  beforeEach(async () => {
    stage = new Stage();
    group = MemoryGroup.create(GROUP_BYTES);
    await stage.startDevice('--max-peer-memory', '2T');
    prompt = new Prompt(
      [
        ...['--no-huge', '--vdev', `net_vhost_pci0,path=${stage.path('vfio.sock')}`, '--vdev', 'net_null0'],
        ...['--', '-i', '--total-num-mbufs=4096', '--auto-start'],
      ],
      (words) => group.command(words),
    );
    await prompt.prints('testpmd> ');
    peer = new HoleSender(stage.path('vhost.sock'), TIB);
  });

  afterEach(async () => {
    peer.close();
    await prompt.kill();
    await stage.close();
    group.close();
  });

  const attack = (what: 'sent' | 'received') =>
    until(
      'the driver gives the memory up',
      () => {
        peer.fill(what);
        return !prompt.running || prompt.out.includes('max-peer-memory');
      },
      BOUND_MS,
    );

  it.each(['sent', 'received'] as const)(
    'regression: holes that are %s cost that peer its queues, and no process dies',
    async (what) => {
      await peer.start();
      await attack(what);
      expect([prompt.running, group.kills], prompt.out).toEqual([true, 0]);
      expect(prompt.out).toMatch(/more untouched memory than this process may fill \(\d+M\)/);
      expect(await prompt.say('show port info 0')).toContain('Link status: down');
      // The next peer is served.
      peer.close();
      const honest = stage.startPeer('--mode', 'generate', '--no-reconnect');
      await prompt.receives(5000);
      await honest.kill();
    },
    3 * BOUND_MS,
  );
});
