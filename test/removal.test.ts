// SPDX-License-Identifier: BSD-3-Clause
// The device model ends while testpmd forwards without a prompt: testpmd reports it, and exits as well or
// waits, depending on its options.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { latestOf } from '../tools/run/testpmd-output.ts';
import { Prompt } from './support/prompt.ts';
import { Stage } from './support/stage.ts';
import { startDeviceModel, Tool } from './support/tool.ts';
import { until } from './support/wait.ts';

describe('testpmd without a prompt, when its only device goes', () => {
  let folder: string;
  let device: Tool;
  let pmd: Tool;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-gone-'));
    device = await startDeviceModel({ vhostUser: join(folder, 'vhost'), vfioUser: join(folder, 'vfio') });
  });

  afterEach(async () => {
    for (const tool of [pmd, device]) await tool.kill();
    rmSync(folder, { recursive: true });
  });

  const startPmd = async (...options: string[]) => {
    const eal = ['--no-huge', `--vdev=net_vhost_pci0,path=${join(folder, 'vfio')}`];
    pmd = new Tool('src/testpmd/main.ts', [...eal, '--', '--stats-period=60', ...options]);
    await pmd.printed('nb forwarding ports=1');
  };

  it('exits with a failure and one line that says why', async () => {
    await startPmd();
    await device.kill('SIGINT');
    await until('it ends', () => !pmd.running);
    expect(pmd.exitCode).toBe(1);
    expect(pmd.output.match(/^net_vhost_pci: The device .* is gone: .*$/gm)).toHaveLength(1);
    expect(pmd.output).toContain('testpmd: the last port was removed, see --hot-plug\n');
  });

  it('waits with --hot-plug', async () => {
    await startPmd('--hot-plug');
    await device.kill('SIGINT');
    await pmd.printed('Now total ports is 0');
    await pmd.printed('testpmd: port 0 is waiting for its device to come back: net_vhost_pci0,path=');
    await pmd.kill('SIGINT');
    expect(pmd.exitCode).toBe(0);
    expect(pmd.output).not.toContain('the last port was removed');
  });
});

/** Time for many processes, one after the other, next to a poll loop. */
const TEST_MS = 180_000;

describe('a device model that ends and starts again', { timeout: TEST_MS }, () => {
  let stage: Stage;
  let prompt: Prompt | null = null;
  beforeEach(() => {
    stage = new Stage();
  });
  afterEach(async () => {
    await prompt?.kill();
    prompt = null;
    await stage.close();
  });

  /** Two ports: net_null's id is not the one that comes back. */
  const startPrompt = async (...options: string[]) => {
    const vdevs = ['--vdev=net_null0,no-rx=1', `--vdev=net_vhost_pci0,path="${stage.path('vfio.sock')}"`];
    const testpmd = ['-i', '--forward-mode=macswap', '--port-topology=loop', ...options];
    prompt = new Prompt(['--no-huge', ...vdevs, '--', ...testpmd]);
    await prompt.prints('testpmd> ');
    return prompt;
  };
  const received = async (pmd: Prompt, packets: number) => {
    const now = async () => latestOf(await pmd.say('show port stats 1'), 1)?.rxPackets ?? Number.NaN;
    const end = Date.now() + 30_000;
    while (!((await now()) > packets)) if (Date.now() > end) throw new Error(`no packets:\n${pmd.out}`);
  };

  it('gets its port back with --hot-plug: the same id and configuration, forwarding', async () => {
    const device = await stage.startDevice('--queues', '2');
    const pmd = await startPrompt('--hot-plug', '--rxq=2', '--txq=2');
    stage.startPeer('--queues', '2');
    await pmd.say('start');
    await received(pmd, 100);
    const from = pmd.out.length;
    await device.kill();
    await pmd.prints('Now total ports is 1', from);
    // Its id is reserved.
    expect(await pmd.say('port attach net_null1')).toContain(
      'Port 2 is attached. Now total ports is 2\nDone\n',
    );
    await pmd.say('port detach 2');
    await stage.startDevice('--queues', '2');
    await pmd.prints('Port 1 is attached. Now total ports is 2', from);
    await pmd.prints('RX P=1/Q=1 (socket 0) -> TX P=1/Q=1', from);
    await received(pmd, 100);
    expect(await pmd.say('show port info 1')).toContain('Current number of RX queues: 2\n');
  });

  it('does not restart forwarding that was stopped meanwhile', async () => {
    const device = await stage.startDevice();
    const pmd = await startPrompt('--hot-plug');
    await pmd.say('start');
    await device.kill('SIGINT');
    await pmd.prints('Now total ports is 1');
    await pmd.say('stop');
    const from = pmd.out.length;
    await stage.startDevice();
    await pmd.prints('Port 1 is attached. Now total ports is 2\n', from);
    await pmd.say('stop');
    expect(pmd.out.slice(from)).toContain('Packet forwarding not started\n');
  });

  it('reports once why a returned device cannot be used', async () => {
    const device = await stage.startDevice('--queues', '2');
    const pmd = await startPrompt('--hot-plug', '--rxq=2', '--txq=2');
    await device.kill('SIGINT');
    await pmd.prints('Now total ports is 1');
    const less = await stage.startDevice('--queues', '1');
    await pmd.prints('the device has 1 queue pairs; will retry');
    await less.kill('SIGINT');
    await stage.startDevice('--queues', '2');
    await pmd.prints('Port 1 is attached. Now total ports is 2\n');
    expect(pmd.out.match(/will retry/g)).toHaveLength(1);
  });

  it('gets its port back with port attach, as the prompt suggests', async () => {
    const device = await stage.startDevice();
    const pmd = await startPrompt();
    const attach = `port attach net_vhost_pci0,path=${stage.path('vfio.sock')}`;
    stage.startPeer();
    await pmd.say('start');
    await received(pmd, 100);
    await device.kill('SIGINT');
    await pmd.prints(`testpmd: to attach port 1 again once its device is back: ${attach}\n`);
    expect(await pmd.say(attach)).toMatch(/^Attaching a new port...\nFailed to attach port .*vfio.sock/);
    await stage.startDevice();
    // Forwarding goes on with the other port meanwhile. The peer reconnects at any moment: the link's event
    // may come before the prompt or after.
    expect(await pmd.say(attach)).toMatch(
      /^Attaching a new port...\nPort 1 is attached. Now total ports is 2\nDone\n/,
    );
    expect(await pmd.say(attach)).toContain('device net_vhost_pci0 already exists\n');
    await pmd.say('stop');
    expect(await pmd.say('start')).toContain('Not all ports were started\n');
    expect(await pmd.say('port start 1')).toContain('Configuring Port 1 (socket 0)\n');
    expect(await pmd.say('start')).toContain('RX P=1/Q=0 (socket 0) -> TX P=1/Q=0');
    await received(pmd, 100);
  });
});
