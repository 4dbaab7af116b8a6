// SPDX-License-Identifier: BSD-3-Clause
// docs/guide.md prints code of the examples, commands that work, and an application that does.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as api from '../src/index.ts';
import { native } from '../src/native.ts';
import { Namespace, tapMissing } from './support/netns.ts';
import { ROOT } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';
import { commandLines, Shell, type Typed } from './support/typed.ts';

const guide = readFileSync(join(ROOT, 'docs/guide.md'), 'utf8');
const blocks = [...guide.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block = '']) => block);
const echo = blocks.find((block) => block.startsWith('// echo.mts')) ?? '';
const lines = commandLines('docs/guide.md');
/** The lines of a project of its own, which a test below types in an empty folder. */
const project = [
  ...['mkdir echo && cd echo', 'npm init -y', 'npm install --save-dev tsx typescript @types/node'],
  'npm install /path/to/vhost-pci-pmd',
  'cp node_modules/vhost-pci-pmd/tools/examples/application.ts application.mts',
  'npx tsc --noEmit --strict --module nodenext --types node --allowImportingTsExtensions echo.mts',
  'npx tsx echo.mts net_null0',
];
const DEVICE = 'node dist/tools/device/main.js --vhost-user /tmp/vhost.sock --vfio-user /tmp/vfio.sock';
const cpus = native.getAffinity();
const fewCpus = [0, 1].some((cpu) => !cpus.includes(cpu)) && 'its lines name CPUs 0 and 1';

/** Lines of a test, in the order in which a reader types them. */
const typed = new Set<string>(project);
function linesOf(...all: string[]): string[] {
  for (const line of all) typed.add(line);
  return all;
}

let shell: Shell;
beforeEach(() => {
  shell = new Shell();
});
afterEach(() => shell.close());

describe('docs/guide.md', () => {
  it('prints code as it is in the examples', () => {
    const folder = join(ROOT, 'tools/examples');
    const sources = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
    const others = blocks.filter((block) => !sources.some((source) => source.includes(block.trimEnd())));
    expect(blocks.length).toBeGreaterThan(10);
    expect(others).toEqual([echo]);
  });

  it('names files that exist and exports of the package', () => {
    for (const [path] of guide.matchAll(/\b(tools|test)\/[\w/.-]+\.ts\b/g))
      expect(() => readFileSync(join(ROOT, path)), path).not.toThrow();
    const helpers = guide.slice(guide.indexOf('## Packet helpers'));
    const names = [...helpers.matchAll(/`(\w+)(?:\(|`)/g)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(15);
    for (const name of names)
      if (name !== 'bytes' && name !== 'end') expect(api).toHaveProperty([name ?? '']);
  });

  it('prints an application that compiles and runs in the project that npm init makes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'echo-'));
    try {
      execFileSync('npm', ['init', '-y'], { cwd: folder, stdio: 'pipe' });
      // As npm install leaves them.
      mkdirSync(join(folder, 'node_modules'));
      symlinkSync(ROOT, join(folder, 'node_modules/vhost-pci-pmd'));
      for (const name of ['tsx', 'typescript', '@types'])
        symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
      const application = readFileSync(join(ROOT, 'tools/examples/application.ts'));
      writeFileSync(join(folder, 'application.mts'), application);
      writeFileSync(join(folder, 'echo.mts'), echo);
      const [, , , , , check = '', run = ''] = project;
      const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
      execFileSync(process.execPath, [tsc, ...check.split(' ').slice(2)], { cwd: folder, encoding: 'utf8' });
      const args = ['--import', 'tsx', ...run.split(' ').slice(2), '--cpu', String(cpus[0])];
      const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      child.stdout.on('data', (data) => {
        const before = output;
        output += data;
        if (!/returned [1-9]/.test(before) && /returned [1-9]/.test(output)) child.kill('SIGINT');
      });
      await once(child, 'close');
      expect([child.exitCode, output]).toEqual([0, expect.stringMatching(/returned [1-9]/)]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe.skipIf(fewCpus)("the guide's commands", () => {
  const [forward = ''] = linesOf('npx tsx tools/examples/forward.ts 3 net_null0 net_null1');
  it('forward between ports that need nothing', async () => {
    const program = shell.type(forward);
    await once(program.child, 'close');
    expect([program.child.exitCode, program.output]).toEqual([
      0,
      expect.stringMatching(/^(forwarded .*\n)+$/),
    ]);
  });

  const responder = linesOf(
    DEVICE,
    'npx tsx tools/examples/responder.ts net_vhost_pci0,path=/tmp/vfio.sock --ip 198.18.0.2 --port 9',
    'node dist/tools/peer/main.js --vhost-user /tmp/vhost.sock --cpu 1 --count 10000',
  );
  it('answer the built-in peer', async () => {
    const [, application, peer] = await startAll(responder);
    await shell.prints(peer, /^total .*received 10000 .*lost 0 /m);
    expect(await shell.interrupt(application)).toBe(0);
  });

  const generator = linesOf(
    DEVICE,
    'npx tsx tools/examples/generator.ts net_vhost_pci0,path=/tmp/vfio.sock --size 512',
    'node dist/tools/peer/main.js --vhost-user /tmp/vhost.sock --cpu 1 --mode sink --no-check --stats-period 1',
  );
  it("write into the built-in peer's buffers", async () => {
    const [, application, peer] = await startAll(generator);
    await shell.prints(peer, /received [1-9]\d{3}/);
    await shell.prints(application, /in place [1-9]/);
    expect(await shell.interrupt(application)).toBe(0);
  });

  const [filter = ''] = linesOf('npx tsx tools/examples/filter.ts net_null0 net_null1 --rules /tmp/rules');
  it('filter by the rules that are printed', async () => {
    const rules = /```\n(pass [\s\S]*?)```/.exec(guide)?.[1] ?? '';
    expect(rules.split('\n').length).toBeGreaterThan(3);
    writeFileSync(join(shell.folder, 'rules'), rules);
    const application = shell.type(filter);
    await shell.prints(application, /passed 0, refused [1-9]/);
    expect(await shell.interrupt(application)).toBe(0);
  });

  const [captured = '', dumpcap = ''] = linesOf(
    'npx tsx tools/examples/responder.ts net_null0 --file-prefix example',
    'node dist/tools/dumpcap/main.js --file-prefix example -i net_null0 -c 1000 -w /tmp/example.pcapng',
  );
  it('capture an application', async () => {
    process.env.RUNTIME_DIRECTORY = shell.folder;
    try {
      const application = shell.type(captured);
      await shell.prints(application, /received [1-9]/);
      const capture = shell.type(dumpcap);
      await once(capture.child, 'close');
      expect([capture.child.exitCode, capture.output]).toEqual([
        0,
        expect.stringContaining('Packets captured: 1000'),
      ]);
      expect(await shell.interrupt(application)).toBe(0);
    } finally {
      delete process.env.RUNTIME_DIRECTORY;
    }
  });

  const [ps = ''] = linesOf('ps -eLo psr,pcpu,comm --sort=-pcpu | head');
  it.skipIf(programMissing('ps', 'procps', 'a command of the guide'))(
    'show which thread polls where',
    async () => {
      const typed = shell.type(ps);
      await once(typed.child, 'close');
      expect(typed.output).toMatch(/^PSR %CPU COMMAND\n( +\d+ +[\d.]+ \S.*\n)+$/);
    },
  );

  const taps = linesOf(
    'npx tsx tools/examples/responder.ts net_tap0,iface=tap0 --ip 10.0.0.1',
    'ip address add 10.0.0.2/24 dev tap0',
    'ping -c 3 10.0.0.1',
  );
  const [bridge = ''] = linesOf(
    'npx tsx tools/examples/bridge.ts net_tap0,iface=tap0 net_tap1,iface=tap1 net_tap2,iface=tap2',
  );
  describe.skipIf(tapMissing())('with taps', () => {
    let kernel: Namespace;
    const inside = (words: string[]) => ['ip', 'netns', 'exec', kernel.name, ...words];
    beforeEach(() => {
      kernel = new Namespace();
    });
    afterEach(() => kernel.close());

    it("answer this machine's own kernel", async () => {
      const application = shell.type(taps[0] ?? '', inside);
      await shell.prints(application, /received \d/);
      await once(shell.type(taps[1] ?? '', inside).child, 'close');
      await shell.prints(shell.type(taps[2] ?? '', inside), /3 received, 0% packet loss/);
    });

    it('make a bridge', async () => {
      const application = shell.type(bridge, inside);
      await shell.prints(application, /forwarded \d+, flooded \d+, dropped \d+/);
      expect(await shell.interrupt(application)).toBe(0);
    });
  });

  it('are all typed by these tests', () => {
    expect(lines.filter((line) => !typed.has(line))).toEqual([]);
    expect([...typed].filter((line) => !lines.includes(line))).toEqual([]);
  });

  /** Types a device model, an application and a peer. */
  async function startAll([device = '', application = '', peer = '']: readonly string[]): Promise<
    [Typed, Typed, Typed]
  > {
    const model = shell.type(device);
    await shell.prints(model, /ready/);
    const program = shell.type(application);
    await shell.prints(program, /link down/);
    return [model, program, shell.type(peer)];
  }
});
