// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-testpmd on a terminal or a pipe that takes nothing: that costs output, and only for as long as it lasts.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HeldOutput } from './support/held-output.ts';
import { nodeArguments } from './support/program.ts';
import { Stage } from './support/stage.ts';
import { until } from './support/wait.ts';

const MAIN = nodeArguments('src/testpmd/main.ts');
const TEST_MS = 180_000;
const BOUND_MS = 60_000;

let held: HeldOutput | null = null;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vpci-held-'));
});
afterEach(async () => {
  await held?.stop();
  held = null;
  rmSync(folder, { recursive: true });
});

function testpmd(kind: 'terminal' | 'pipe', ...args: string[]): HeldOutput {
  held = new HeldOutput(kind, [process.execPath, ...MAIN, '--no-huge', ...args]);
  return held;
}

/** True while some thread of the process is held in write(2), system call 1 or 64, or waits in poll(2), 7 or 73, which idle ones do not. */
function writes(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).some((task) => {
    try {
      return /^(1|64|7|73) /.test(readFileSync(`/proc/${pid}/task/${task}/syscall`, 'utf8'));
    } catch {
      return false;
    }
  });
}

async function isHeld(pid: number): Promise<void> {
  let since = Number.POSITIVE_INFINITY;
  await until(
    'nothing more fits',
    () => {
      since = writes(pid) ? Math.min(since, Date.now()) : Number.POSITIVE_INFINITY;
      return Date.now() - since > 500;
    },
    BOUND_MS,
  );
}

describe('while nobody reads', { timeout: TEST_MS }, () => {
  let stage: Stage;
  beforeEach(() => {
    stage = new Stage();
  });
  afterEach(async () => {
    await held?.stop();
    await stage.close();
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'regression: statistics on a terminal hold neither control nor the end by %s',
    async (signal) => {
      await stage.startDevice();
      const silent = Array.from({ length: 20 }, (_, i) => `--vdev=net_null${i},no-rx=1`);
      const vdevs = [`--vdev=net_vhost_pci0,path=${stage.path('vfio.sock')}`, ...silent];
      const pmd = testpmd('terminal', ...vdevs, '--', '--forward-mode=txonly', '--stats-period=1');
      const pid = await pmd.pid();
      await isHeld(pid);
      // Its link, memory and rings are messages to the main thread.
      const peer = stage.startPeer('--mode=sink', '--stats-period=0.2', '--json');
      await until('frames come', () => /"rxPackets":[1-9]/.test(peer.output), BOUND_MS);
      await peer.kill('SIGINT');
      process.kill(pid, signal);
      await until('it ends', () => pmd.exit !== undefined, BOUND_MS);
      expect(pmd.exit).toBe(0);
    },
  );

  it('and once somebody does: a prompt that echoes, answers and ends', async () => {
    const pmd = testpmd('terminal', '--vdev=net_null0', '--', '-i');
    await pmd.pid();
    pmd.read();
    await until('the prompt is there', () => pmd.output.includes('testpmd> '), BOUND_MS);
    pmd.type('set burst 5');
    await until('it answers', () => /testpmd> .*\r?\n?.*set to 5\r?\n/s.test(pmd.output), BOUND_MS);
    pmd.type('quit');
    await until('it ends', () => pmd.exit !== undefined, BOUND_MS);
    expect(pmd.exit).toBe(0);
    expect(pmd.output).toMatch(/Bye\.\.\.\r?\n/);
  });
});

describe('to a slow reader', { timeout: TEST_MS }, () => {
  it('everything comes, in order, however much it is', async () => {
    const commands = join(folder, 'commands');
    const blocks = 4000;
    writeFileSync(
      commands,
      Array.from({ length: blocks }, (_, i) => `set burst ${1 + (i % 512)}\nshow port info 0\n`).join(''),
    );
    const pmd = testpmd('pipe', '--vdev=net_null0', '--', '-i', `--cmdline-file=${commands}`);
    await isHeld(await pmd.pid());
    pmd.read();
    await until('it ends', () => pmd.exit !== undefined, BOUND_MS);
    expect(pmd.exit).toBe(0);
    expect(pmd.output).not.toContain('lost here');
    expect(pmd.output.match(/Infos for port 0 /g)).toHaveLength(blocks);
    const bursts = [...pmd.output.matchAll(/burst set to (\d+)/g)].map(([, n]) => Number(n));
    expect(bursts).toEqual(Array.from({ length: blocks }, (_, i) => 1 + (i % 512)));
    expect(pmd.output.endsWith('\nBye...\n')).toBe(true);
  });

  it('the end waits for it, and a signal ends that', async () => {
    const commands = join(folder, 'commands');
    writeFileSync(commands, 'help all\n'.repeat(60));
    for (const waits of [true, false]) {
      const pmd = testpmd('pipe', '--vdev=net_null0', '--', '-i', `--cmdline-file=${commands}`);
      const pid = await pmd.pid();
      await isHeld(pid);
      expect(pmd.exit).toBeUndefined();
      if (waits) pmd.read();
      else process.kill(pid, 'SIGTERM');
      await until('it ends', () => pmd.exit !== undefined, BOUND_MS);
      expect([pmd.exit, pmd.output.endsWith('Bye...\n')]).toEqual([0, waits]);
      await pmd.stop();
    }
  });
});
