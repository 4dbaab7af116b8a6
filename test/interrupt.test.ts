// SPDX-License-Identifier: BSD-3-Clause
// Interrupt mode end to end: testpmd, device model and peer as separate processes, and a driver that sleeps.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Peer } from '../tools/peer/driver.ts';
import type { PeerOptions } from '../tools/peer/options.ts';
import { Prompt } from './support/prompt.ts';
import { startDeviceModel, Tool } from './support/tool.ts';
import { until } from './support/wait.ts';

/** A peer that waits this long for a frame has lost it, or its kick had no effect. */
const PATIENCE_MS = 60_000;

describe('testpmd with RX interrupts', () => {
  let folder: string;
  const tools: Tool[] = [];
  const prompts: Prompt[] = [];
  const peers: Peer[] = [];
  const path = (name: string) => join(folder, name);

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-intr-'));
    tools.push(await startDeviceModel({ vhostUser: path('u'), vfioUser: path('f') }));
  });

  afterEach(async () => {
    for (const peer of peers.splice(0)) await peer.stop();
    for (const prompt of prompts.splice(0)) await prompt.kill();
    for (const tool of tools.splice(0)) await tool.kill();
    rmSync(folder, { recursive: true });
  });

  const openPrompt = async (mode: string): Promise<Prompt> => {
    const prompt = new Prompt([
      ...['--no-huge', '--vdev', `net_vhost_pci0,path=${path('f')}`],
      ...['--', '-i', `--rx-interrupt=${mode}`, '--forward-mode=macswap'],
    ]);
    prompts.push(prompt);
    await prompt.prints('testpmd> ');
    expect(await prompt.say('start')).toContain(`RX interrupt mode: ${mode}`);
    return prompt;
  };
  const openPeer = async (options: Partial<PeerOptions>): Promise<Peer> => {
    const peer = new Peer({ path: path('u'), patienceMs: PATIENCE_MS, reconnect: false, ...options });
    peers.push(peer);
    await peer.start();
    return peer;
  };
  const xstat = async (prompt: Prompt, name: string): Promise<number> =>
    Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(await prompt.say('show port xstats 0'))?.[1]);
  const counts = async (prompt: Prompt) => ({
    bursts: await xstat(prompt, 'rx_q0_bursts'),
    sleeps: await xstat(prompt, 'rx_q0_sleeps'),
  });
  const linkIs = async (prompt: Prompt, status: string) => {
    let now = '';
    while (now !== status) now = /Link status: (\w+)/.exec(await prompt.say('show port info 0'))?.[1] ?? '';
  };
  /** Waits until it no longer polls: two readings, one prompt answer apart, see the same counts. */
  const asleep = async (prompt: Prompt) => {
    for (let before = await counts(prompt); ; ) {
      const now = await counts(prompt);
      if (now.sleeps > 0 && now.bursts === before.bursts && now.sleeps === before.sleeps) return now;
      before = now;
    }
  };
  const echoed = async (peer: Peer, frames: number) => {
    await until(`${frames} frames came back`, () => peer.done, 2 * PATIENCE_MS);
    expect(peer.stats()).toMatchObject({ txPackets: frames, rxPackets: frames, missing: 0 });
  };

  it.each(['on', 'adaptive'])(
    'sleeps without polling while no packets arrive, and wakes at the first packet: %s',
    async (mode) => {
      const prompt = await openPrompt(mode);
      const alone = await asleep(prompt);
      const peer = await openPeer({ count: 1 });
      await echoed(peer, 1);
      const after = await asleep(prompt);
      expect(after.sleeps).toBeGreaterThan(alone.sleeps);
      expect(await xstat(prompt, 'rx_q0_interrupts')).toBeGreaterThan(0);
      // Also with the link up and a silent peer.
      for (let look = 0; look < 5; look++) {
        // A wait may end early, at most twice a second; a polling loop makes millions of calls.
        expect((await counts(prompt)).bursts - after.bursts).toBeLessThan(100);
      }
    },
  );

  it('polls by default', async () => {
    const prompt = new Prompt(['--no-huge', '--vdev', `net_vhost_pci0,path=${path('f')}`, '--', '-i']);
    prompts.push(prompt);
    await prompt.prints('testpmd> ');
    expect(await prompt.say('start')).not.toContain('interrupt');
    const peer = await openPeer({ count: 100 });
    await echoed(peer, 100);
    expect([await xstat(prompt, 'rx_q0_sleeps'), await xstat(prompt, 'rx_q0_interrupts')]).toEqual([0, 0]);
  });

  it.each([
    ['split', {}],
    ['packed', { packed: true }],
  ])(
    'loses no wake-up in ten thousand packets that each wait for the previous one: %s',
    {
      timeout: 300_000,
    },
    async (_, ring) => {
      const prompt = await openPrompt('on');
      const peer = await openPeer({ count: 10_000, window: 1, ...ring });
      await echoed(peer, 10_000);
      expect(await xstat(prompt, 'rx_q0_sleeps')).toBeGreaterThan(1000);
    },
  );

  it('is woken by the next peer after one died while it slept', async () => {
    const prompt = await openPrompt('on');
    const killed = new Tool('tools/peer/main.ts', ['--vhost-user', path('u'), '--mode', 'sink']);
    tools.push(killed);
    await killed.printed('The back-end is up');
    await linkIs(prompt, 'up');
    await asleep(prompt);
    await killed.kill();
    await linkIs(prompt, 'down');
    await asleep(prompt);
    await echoed(await openPeer({ count: 2000 }), 2000);
  });

  it('stops, starts and quits while it sleeps', async () => {
    const prompt = await openPrompt('on');
    await asleep(prompt);
    expect(await prompt.say('stop')).toContain('Done.');
    await prompt.say('port stop all');
    await prompt.say('port start all');
    await prompt.say('start');
    await echoed(await openPeer({ count: 100 }), 100);
    await asleep(prompt);
    prompt.write('quit');
    await until('testpmd ends', () => !prompt.running);
    expect(prompt.exit).toBe(0);
  });

  it('exits cleanly on a signal while it sleeps', async () => {
    const prompt = await openPrompt('on');
    await asleep(prompt);
    await prompt.kill('SIGTERM');
    expect([prompt.exit, prompt.out]).toEqual([0, expect.stringMatching(/Bye\.\.\.\n$/)]);
  });
});
