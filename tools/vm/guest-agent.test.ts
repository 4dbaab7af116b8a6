// SPDX-License-Identifier: BSD-3-Clause
// The host's end of the control channel, with this test as the guest.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../test/support/wait.ts';
import { GuestAgent } from './guest-agent.ts';

describe('control channel', () => {
  let folder: string;
  let server: Server;
  let guest: Socket | undefined;
  let asked: string[];
  let agent: GuestAgent;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-agent-'));
    asked = [];
    server = createServer((socket) => {
      guest = socket;
      socket.on('data', (data) => asked.push(...String(data).split('\n').filter(Boolean)));
    });
    await new Promise<void>((resolve) => server.listen(join(folder, 's'), resolve));
    agent = new GuestAgent('vm');
    await agent.connect(join(folder, 's'));
    await until('the guest is there', () => guest !== undefined);
  });

  afterEach(() => {
    agent.close();
    guest?.destroy();
    server.close();
    rmSync(folder, { recursive: true });
    guest = undefined;
  });

  const say = (text: string) => guest?.write(text);
  const base64 = (text: string) => Buffer.from(text).toString('base64');

  it('gives each script its own answer, whatever the order of the answers', async () => {
    const first = agent.run('echo 1', 5000);
    const second = agent.run('echo 2', 90_000);
    await until('both are asked', () => asked.length === 2);
    expect(asked).toEqual([`1 5 ${base64('echo 1')}`, `2 90 ${base64('echo 2')}`]);
    const answer = `2 7 ${base64('two\n')}\n1 0 \n`;
    say(answer.slice(0, 5));
    say(answer.slice(5));
    expect(await second).toEqual({ code: 7, output: 'two\n' });
    expect(await first).toEqual({ code: 0, output: '' });
  });

  it('counts starts and fails scripts that a reboot interrupts', async () => {
    say('ready\n');
    await agent.started(1, 5000);
    const lost = agent.run('sleep 9', 5000);
    lost.catch(() => {});
    say('ready\n');
    await agent.started(2, 5000);
    await expect(lost).rejects.toThrow('The guest vm rebooted');
  });

  it('limits the wait for a start', async () => {
    await expect(agent.started(1, 20)).rejects.toThrow('The guest vm did not come up within 0.02 s');
  });

  it('fails pending scripts when the machine ends', async () => {
    const lost = agent.run('true', 5000);
    guest?.destroy();
    await expect(lost).rejects.toThrow('The guest vm ended');
    await expect(agent.run('true', 5000)).rejects.toThrow('The guest vm is not connected');
  });

  it('ignores nonsense', async () => {
    const answer = agent.run('true', 5000);
    say('\n\nwhat is this\n99 0 x\n1 0 \n');
    expect(await answer).toEqual({ code: 0, output: '' });
  });
});
