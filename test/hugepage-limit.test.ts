// SPDX-License-Identifier: BSD-3-Clause
// Hugepages that can be mapped but not used, as in a container whose hugetlb control group allows none.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from './support/program.ts';
import { runTool } from './support/run-tool.ts';
import { Stage } from './support/stage.ts';

const LINE = 'mempool: no hugepages (limited by a control group, hugetlb.2MB.max): using ordinary pages';

describe.each([
  ['Linux 5.14 and later', {}],
  ['an older kernel', { OLD_KERNEL: '1' }],
])('without hugepages in the control group, %s', (_, environment) => {
  let folder: string;
  let preload: Record<string, string>;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-huge-'));
    const library = join(folder, 'no-hugepages.so');
    execFileSync('cc', ['-shared', '-fPIC', '-o', library, join(ROOT, 'test/support/no-hugepages.c')]);
    writeFileSync(join(folder, 'commands'), 'start\nstop\nquit\n');
    preload = { LD_PRELOAD: library, ...environment };
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  const forward = (...eal: string[]) =>
    runTool(
      'src/testpmd/main.ts',
      [...eal, '--vdev', 'net_null0', '--', '-i', `--cmdline-file=${join(folder, 'commands')}`],
      preload,
    );

  it('regression: testpmd continues with ordinary pages and reports it in one line', async () => {
    const { code, stdout, stderr } = await forward();
    expect([code, `${stdout}${stderr}`.split(LINE).length], `${stdout}${stderr}`).toEqual([0, 2]);
  });

  it('testpmd prints nothing about hugepages with --no-huge', async () => {
    const { code, stdout, stderr } = await forward('--no-huge');
    expect([code, `${stdout}${stderr}`.includes('mempool')]).toEqual([0, false]);
  });

  it('regression: a peer started with --hugepages refuses in one line', async () => {
    const stage = new Stage();
    await stage.startDevice();
    const args = ['--vhost-user', stage.path('vhost.sock'), '--hugepages', '--no-reconnect'];
    const { code, stderr } = await runTool('tools/peer/main.ts', args, preload);
    await stage.close();
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /^vhost-pci-peer: [^\n]*\d+ MiB of hugepages for the peer: too few are free [^\n]* control group [^\n]*\n$/,
      ),
    ]);
  });
});
