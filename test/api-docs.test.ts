// SPDX-License-Identifier: BSD-3-Clause
// The programs in docs/api.md work as printed, in a separate project next to the package.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../src/errors.ts';
import { native } from '../src/native.ts';
import { ROOT } from './support/program.ts';
import { Tool } from './support/tool.ts';
import { until } from './support/wait.ts';

const text = readFileSync(join(ROOT, 'docs/api.md'), 'utf8');
const require = createRequire(import.meta.url);
/** Its programs; each begins with a comment that names its file. */
const programs = [...text.matchAll(/```ts\n(\/\/ (\w+\.mts) [\s\S]*?)```/g)].map(
  ([, program = '', file = '']) => ({
    file,
    program,
  }),
);
const STRICT = ['--module', 'nodenext', '--strict', '--noEmit', '--types', 'node'];
const cpus = native.getAffinity();
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'app-'));
  mkdirSync(join(folder, 'node_modules'));
  // As left by npm install of a folder and of the development dependencies.
  symlinkSync(ROOT, join(folder, 'node_modules/vhost-pci-pmd'));
  for (const name of ['tsx', 'typescript', '@types'])
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'count', type: 'commonjs' }));
  for (const { file, program } of programs) writeFileSync(join(folder, file), program);
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]) => spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });

const counted = (text: string): boolean => /^[1-9]\d* packets$/m.test(text);

const start = (...args: string[]) => spawn(process.execPath, ['--import', 'tsx', ...args], { cwd: folder });

describe('docs/api.md', () => {
  it('prints only programs that are tested here', () => {
    expect(programs.map(({ file }) => file)).toEqual([
      'count.mts',
      'reconnect.mts',
      'packets.mts',
      'pairs.mts',
    ]);
    expect(text.match(/```(ts|js)\n/g)).toHaveLength(programs.length);
  });

  it.skipIf(!cpus.includes(0))('prints an application that runs', async () => {
    const child = start('count.mts', 'net_null0');
    let stdout = '';
    child.stdout.on('data', (data) => {
      // Only once: a second signal would kill it.
      const before = counted(stdout);
      stdout += data;
      if (!before && counted(stdout)) child.kill('SIGINT');
    });
    let stderr = '';
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    await once(child, 'close');
    expect([stderr, child.exitCode, counted(stdout)]).toEqual(['', 0, true]);
  });

  it.skipIf(!cpus.includes(0) || !cpus.includes(1))('prints how lcores share the queues of a port', () => {
    const { stdout, stderr, status } = run('--import', 'tsx', 'pairs.mts', 'net_null0');
    expect([stderr, status]).toEqual(['', 0]);
    expect(stdout).toMatch(/^lcore 0: [1-9]\d* packets\nlcore 1: [1-9]\d* packets\n$/);
  });

  it.skipIf(!cpus.includes(0))('prints how to make packets', () => {
    const { stdout, stderr, status } = run('--import', 'tsx', 'packets.mts', 'net_null0');
    expect([stderr, status]).toEqual(['', 0]);
    expect(stdout).toMatch(/^[1-9]\d* packets\n$/);
  });

  it.skipIf(!cpus.includes(0))('prints how to reopen a device when it comes back', async () => {
    const [vhost, vfio] = [join(folder, 'vhost.sock'), join(folder, 'vfio.sock')];
    const child = start('reconnect.mts', `net_vhost_pci0,path=${vfio}`);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => {
        output += data;
      });
    try {
      for (let times = 1; times <= 2; times++) {
        const device = new Tool('tools/device/main.ts', ['--vhost-user', vhost, '--vfio-user', vfio]);
        try {
          await until('the device is opened', () => output.split('device opened').length > times);
        } finally {
          await device.kill('SIGTERM');
        }
        await until('it is seen to go', () => output.split('device removed after 0 packets').length > times);
      }
      expect(child.exitCode).toBeNull();
    } finally {
      const gone = once(child, 'close');
      child.kill('SIGKILL');
      await gone;
    }
  });

  it("prints programs that compile, as do README's calls of queues and the examples of in-place access", () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const idioms = [...readme.matchAll(/`((?:tx|rx)\.(?:inPlace|relayTo)[^`]*\))`/g)].map(([, call]) => call);
    expect(idioms.length).toBeGreaterThan(4);
    const types = "import type { MbufVector, RxQueue, TxQueue } from 'vhost-pci-pmd';\n";
    const given = 'rx: RxQueue, tx: TxQueue, pkts: MbufVector, n: number, length: number';
    writeFileSync(
      join(folder, 'idioms.mts'),
      `${types}export function idioms(${given}) {\n  return [${idioms.join(', ')}];\n}\n`,
    );
    const source = readFileSync(join(ROOT, 'src/ethdev/in-place.ts'), 'utf8');
    const examples = [...source.matchAll(/ \* @example\n((?: \* .*\n)+) \*\//g)].map(
      ([, lines = '']) => `{\n${lines.replaceAll(/^ \* /gm, '')}}\n`,
    );
    expect(examples).toHaveLength(3);
    const context =
      'tx: TxQueue, rx: RxQueue, slots: InPlaceSlots, frame: Uint8Array, i: number, bytes: number';
    writeFileSync(
      join(folder, 'examples.mts'),
      `import type { InPlaceSlots, RxQueue, TxQueue } from 'vhost-pci-pmd';\nexport function examples(${context}) {\n${examples.join('')}}\n`,
    );
    // In one run: loading the compiler takes longer than all the files.
    const files = [...programs.map(({ file }) => file), 'idioms.mts', 'examples.mts'];
    const { stdout, status } = run(require.resolve('typescript/bin/tsc'), ...STRICT, ...files);
    expect([stdout, status]).toEqual(['', 0]);
  });

  it('names existing error codes', () => {
    const codes = Object.values(ERROR_CODES).flatMap((theme) => Object.keys(theme));
    const named = [...text.matchAll(/`(VPCI_[A-Z_]+)`/g)].map(([, code]) => code);
    expect(named.length).toBeGreaterThan(1);
    expect(named.filter((code) => !codes.includes(code ?? ''))).toEqual([]);
  });
});
