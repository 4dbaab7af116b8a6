// SPDX-License-Identifier: BSD-3-Clause
// Deaths under full traffic, seen from testpmd's prompt: of the peer, of the device model, of testpmd itself.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Prompt } from './support/prompt.ts';
import { startDeviceModel, Tool } from './support/tool.ts';
import { until } from './support/wait.ts';

const LINK_EVENT = 'Port 0: link state change event';
const REMOVAL_EVENT = 'Port 0: device removal event';

describe('testpmd under full traffic', () => {
  let folder: string;
  const tools: Tool[] = [];
  const prompts: Prompt[] = [];
  const path = (name: string) => join(folder, name);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-life-'));
  });

  afterEach(async () => {
    for (const prompt of prompts.splice(0)) await prompt.kill();
    for (const tool of tools.splice(0)) await tool.kill();
    rmSync(folder, { recursive: true });
  });

  const startDevice = async (): Promise<Tool> => {
    const device = await startDeviceModel({ vhostUser: path('vhost'), vfioUser: path('vfio') });
    tools.push(device);
    return device;
  };
  const startPeer = (...args: string[]): Tool => {
    const peer = new Tool('tools/peer/main.ts', ['--vhost-user', path('vhost'), ...args]);
    tools.push(peer);
    return peer;
  };
  const openPrompt = async (): Promise<Prompt> => {
    const prompt = new Prompt(['--no-huge', '--vdev', `net_vhost_pci0,path=${path('vfio')}`, '--', '-i']);
    prompts.push(prompt);
    await prompt.prints('testpmd> ');
    await prompt.say('start');
    return prompt;
  };
  const linkStatus = async (prompt: Prompt) =>
    /Link status: (\w+)/.exec(await prompt.say('show port info 0'))?.[1];

  /** Starts all three, with packets in flight. */
  const runAll = async () => {
    const device = await startDevice();
    const prompt = await openPrompt();
    const peer = startPeer();
    await prompt.receives(5000);
    return { device, prompt, peer };
  };

  it('regression: reports why the link is down, at the prompt and in show port info, without a peer and when it goes', async () => {
    await startDevice();
    const prompt = await openPrompt();
    await prompt.prints('Port 0: no link: no peer is connected');
    expect(await prompt.say('show port info 0')).toContain('  No link: no peer is connected');
    const peer = startPeer();
    await prompt.receives(5000);
    expect(await prompt.say('show port info 0')).not.toContain('No link');
    const from = prompt.out.length;
    await peer.kill();
    await prompt.prints(LINK_EVENT, from);
    const why = 'no link: no peer is connected; the last one left: it disconnected';
    await prompt.prints(`Port 0: ${why}`, prompt.out.indexOf(LINK_EVENT, from));
    expect(await prompt.say('show device info all')).toContain('No link: no peer is connected;');
  });

  it('reports that the link is down when the peer is killed, answers, and serves the next peer', async () => {
    const { device, prompt, peer } = await runAll();
    const from = prompt.out.length;
    await peer.kill();
    await prompt.prints(LINK_EVENT, from);
    expect(await linkStatus(prompt)).toBe('down');
    expect(await prompt.say('start')).toContain('Packet forwarding already started');
    const before = await prompt.received();
    const next = startPeer('--count', '20000', '--no-reconnect');
    await until('the next peer ends', () => !next.running);
    expect(next.exitCode, next.output).toBe(0);
    expect(await prompt.received()).toBeGreaterThanOrEqual(before + 20_000);
    expect(await prompt.say('stop')).toContain('Done.');
    expect([device.running, prompt.running]).toEqual([true, true]);
  });

  it('survives three peers killed one after the other', async () => {
    const { prompt, peer } = await runAll();
    await peer.kill();
    for (let i = 0; i < 3; i++) {
      const before = await prompt.received();
      const next = startPeer();
      await prompt.receives(before + 1000);
      const from = prompt.out.length;
      await next.kill();
      await prompt.prints(LINK_EVENT, from);
    }
    expect(await linkStatus(prompt)).toBe('down');
  });

  it('reports the removal when the device model is killed, and answers', async () => {
    const { device, prompt } = await runAll();
    const from = prompt.out.length;
    await device.kill();
    await prompt.prints(REMOVAL_EVENT, from);
    await prompt.prints('Now total ports is 0', from);
    expect(await prompt.say('show port info 0')).toContain('Invalid port 0');
    expect(await prompt.say('start')).not.toContain('packet forwarding - ports=');
    prompt.write('quit');
    await until('testpmd ends', () => !prompt.running);
    expect(prompt.exit).toBe(0);
    expect(prompt.out).not.toMatch(/^ {4}at /m);
  });

  it('restarts on the sockets that a killed device model left behind', async () => {
    const { device, prompt, peer } = await runAll();
    await device.kill();
    await prompt.prints('Now total ports is 0');
    expect(readdirSync(folder).sort()).toEqual(['vfio', 'vhost']);
    await startDevice();
    const again = await openPrompt();
    await again.receives(5000);
    expect(peer.running).toBe(true);
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'does not disturb device model and peer when %s ends it',
    async (signal) => {
      const { device, prompt, peer } = await runAll();
      await prompt.kill(signal);
      if (signal === 'SIGTERM')
        expect([prompt.exit, prompt.out]).toEqual([0, expect.stringMatching(/Bye\.\.\.\n$/)]);
      await device.printed('driver disconnected');
      const next = await openPrompt();
      await next.receives(5000);
      expect(await linkStatus(next)).toBe('up');
      expect([device.running, peer.running]).toEqual([true, true]);
      await peer.kill('SIGTERM');
      const [, again] = /bad checksum 0 {2}out of sequence (\d+) {2}bad frames 0/.exec(peer.output) ?? [];
      // Killed after it has published a burst to the receiver and before it has returned it to the
      // sender, the next driver sends that burst once more (docs/architecture.md).
      expect(Number(again), peer.output).toBeLessThanOrEqual(signal === 'SIGKILL' ? 32 : 0);
    },
  );
});
