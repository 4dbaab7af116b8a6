// SPDX-License-Identifier: BSD-3-Clause
// The README's three processes with DPDK as the peer, typed as printed, except for the sockets' folder.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../src/native.ts';
import { latestOf } from '../tools/run/testpmd-output.ts';
import { dpdkMissing } from './support/dpdk.ts';
import { nodeArguments, ROOT } from './support/program.ts';
import { until } from './support/wait.ts';

/** The commands in the README's section on starting by hand. */
const LINES = (
  /## By hand[\s\S]*?```sh\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))?.[1] ?? ''
)
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

const lineOf = (program: string): string => {
  const found = LINES.filter((line) => line.includes(program));
  expect(found, program).toHaveLength(1);
  return found[0] as string;
};

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

const fewCpus = [0, 1].some((cpu) => !native.getAffinity().includes(cpu)) && 'its lines name CPUs 0 and 1';

let folder: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'readme-dpdk-'));
});

afterEach(async () => {
  for (const child of children.splice(0).reverse()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, 'close');
    child.kill('SIGKILL');
    await gone;
  }
  rmSync(folder, { recursive: true });
});

/** Types a line into a shell and collects its output. */
function type(line: string) {
  const node = (_: string, path: string) =>
    [process.execPath, ...nodeArguments(`${path}.ts`)].map(quoted).join(' ');
  const here = line.replaceAll('/tmp/', `${folder}/`).replace(/^node dist\/(\S+)\.js/, node);
  const child = spawn('sh', ['-c', `exec ${here} 2>&1`], { cwd: ROOT });
  children.push(child);
  const typed = { child, output: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    typed.output += text;
  });
  child.stdin.on('error', () => {});
  return typed;
}

async function prints(typed: ReturnType<typeof type>, pattern: RegExp): Promise<void> {
  await until(`${pattern} comes`, () => pattern.test(typed.output) || typed.child.exitCode !== null);
  expect(typed.output).toMatch(pattern);
}

describe.skipIf(dpdkMissing() || fewCpus)("the README's line for DPDK as the peer", () => {
  it('sends packets that the driver sends back', async () => {
    const device = type(lineOf('device/main.js'));
    await prints(device, /ready/);
    const peer = type(lineOf('dpdk-testpmd'));
    const pmd = type(lineOf('testpmd/main.js'));
    await prints(pmd, /testpmd> /);
    await until('packets come', () => {
      pmd.child.stdin?.write('show port stats 0\n');
      const totals = latestOf(pmd.output, 0);
      return Math.min(totals?.rxPackets ?? 0, totals?.txPackets ?? 0) > 1000;
    }).catch((error) => {
      throw new Error(`${error.message}:\n${peer.output.slice(-2000)}\n${pmd.output.slice(-2000)}`);
    });
    await prints(peer, /TX-packets: [1-9]\d{3}/);
    await prints(peer, /RX-packets: [1-9]\d{3}/);
    expect(peer.child.exitCode).toBe(null);
  });
});
