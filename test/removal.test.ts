// SPDX-License-Identifier: BSD-3-Clause
// The device model ends while testpmd forwards without a prompt: it says so, and ends too, or waits as it was told.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Tool } from './support/tool.ts';
import { until } from './support/wait.ts';

describe('testpmd without a prompt, when its only device goes', () => {
  let folder: string;
  let device: Tool;
  let pmd: Tool;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-gone-'));
    const [vhost, vfio] = [join(folder, 'vhost'), join(folder, 'vfio')];
    device = new Tool('tools/device/main.ts', ['--vhost-user', vhost, '--vfio-user', vfio]);
    await device.printed('ready');
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

  it('ends as a failure, with one line that says why', async () => {
    await startPmd();
    await device.kill('SIGINT');
    await until('it ends', () => !pmd.running, 20_000);
    expect(pmd.exitCode).toBe(1);
    expect(pmd.output.match(/^net_vhost_pci: The device .* is gone: .*$/gm)).toHaveLength(1);
    expect(pmd.output).toContain('testpmd: the last port was removed, see --hot-plug\n');
  });

  it('waits with --hot-plug', async () => {
    await startPmd('--hot-plug');
    await device.kill('SIGINT');
    await pmd.printed('Now total ports is 0');
    await pmd.kill('SIGINT');
    expect(pmd.exitCode).toBe(0);
    expect(pmd.output).not.toContain('the last port was removed');
  });
});
