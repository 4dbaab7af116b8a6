// SPDX-License-Identifier: BSD-3-Clause
// A ring that its peer has taken back is not written to, even while the driver's main thread, or its whole
// process, is held. The peer makes all buffers available again as soon as they are used, also after it has
// stopped the ring, so that any further sending is detected.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fed } from './support/fed.ts';
import { ROOT } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';
import { Stage } from './support/stage.ts';
import { StillPeer } from './support/still-peer.ts';
import type { Tool } from './support/tool.ts';
import { until } from './support/wait.ts';

const LATE = 'did not release';
/** Packets per burst. */
const BURST = 32;
const settle = () => new Promise((resolve) => setTimeout(resolve, 500));

describe.each([
  ['split', false],
  ['packed', true],
])('a stopped %s ring is not written to', (_, packed) => {
  let stage: Stage;
  let device: Tool;
  let peer: StillPeer;
  let feeding: NodeJS.Timeout;

  beforeEach(async () => {
    stage = new Stage();
    device = await stage.startDevice();
    peer = await StillPeer.start(stage.path('vhost.sock'), { packed, inOrder: true, eventIdx: false });
    feeding = setInterval(() => peer.receiveAny(), 1);
  });

  afterEach(async () => {
    clearInterval(feeding);
    await peer.close('killed');
    await stage.close();
  });

  const flows = () => until('packets come', () => peer.received > 2 * BURST, 60_000);
  const testpmd = () => [
    ...['--no-huge', '--lcores', '0@0,1@1', `--vdev=net_vhost_pci0,path=${stage.path('vfio.sock')}`],
    ...['--', '-i', '--auto-start', '--forward-mode=txonly', '--stats-period=1'],
  ];

  /** Stops the peer's receive ring and checks that it stays untouched from then on. */
  async function stopsForGood(): Promise<void> {
    await peer.stopRing('rx');
    while (peer.receiveAny() > 0);
    const before = peer.image('rx');
    await settle();
    expect(peer.image('rx').equals(before)).toBe(true);
  }

  it.each(['burst', 'in-place'])(
    "regression: by an lcore that sends by %s, while the driver's main thread is held",
    async (way) => {
      const sender = stage.run('test/support/held-sender.ts', stage.path('vfio.sock'), way);
      await sender.printed('held');
      await flows();
      await stopsForGood();
      expect(device.output).not.toContain(LATE);
    },
  );

  it.skipIf(programMissing('python3', 'python3', 'a terminal that is not read'))(
    'regression: by testpmd on a terminal that is not read',
    async () => {
      const python = join(ROOT, 'test/support/held-terminal.py');
      const program = [process.execPath, '--import', import.meta.resolve('tsx')];
      const args = ['testpmd> ', ...program, join(ROOT, 'src/testpmd/main.ts'), ...testpmd()];
      const held = fed(
        spawn('python3', [python, ...args], { stdio: ['pipe', 'pipe', 'inherit'], cwd: ROOT }),
      );
      try {
        let said = '';
        held.stdout.setEncoding('utf8').on('data', (text: string) => {
          said += text;
        });
        await until('the terminal is held', () => said.includes('held'), 60_000);
        await flows();
        await settle();
        await stopsForGood();
        expect(device.output).not.toContain(LATE);
      } finally {
        const gone = new Promise((resolve) => held.once('close', resolve));
        held.stdin.end();
        await gone;
      }
    },
  );

  it('regression: by a process that is frozen and continued, except for the burst that it was frozen in', async () => {
    const pmd = stage.run('src/testpmd/main.ts', ...testpmd());
    await flows();
    process.kill(pmd.pid, 'SIGSTOP');
    await until('no packets arrive any more', () => peer.receiveAny() === 0);
    await peer.stopRing('rx');
    while (peer.receiveAny() > 0);
    const [before, received] = [peer.image('rx'), peer.received];
    process.kill(pmd.pid, 'SIGCONT');
    await settle();
    if (device.output.includes(LATE)) expect(peer.received - received).toBeLessThanOrEqual(BURST);
    else expect(peer.image('rx').equals(before)).toBe(true);
  });
});
