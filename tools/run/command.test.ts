// SPDX-License-Identifier: BSD-3-Clause
// What all programs have in common on their command line.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodeArguments, ROOT } from '../../test/support/program.ts';
import { SUITES } from '../bench/suites/table.ts';
import { errorLine } from './command.ts';

/** Each program's name in messages, and its main module. */
const PROGRAMS = [
  ['vhost-pci-testpmd', 'src/testpmd/main.ts'],
  ['vhost-pci-device', 'tools/device/main.ts'],
  ['vhost-pci-peer', 'tools/peer/main.ts'],
  ['vhost-pci-pktgen', 'tools/pktgen/main.ts'],
  ['vhost-pci-bench', 'tools/bench/main.ts'],
  ['vhost-pci-dumpcap', 'tools/dumpcap/main.ts'],
  ['vhost-pci-devbind', 'tools/devbind/main.ts'],
  ['npm start', 'tools/start/main.ts'],
  ['npm run vm', 'tools/vm/main.ts'],
] as const;

async function run(main: string, args: readonly string[], stdout: number | 'pipe' = 'pipe') {
  const child = spawn(process.execPath, [...nodeArguments(main), ...args], {
    cwd: ROOT,
    stdio: ['ignore', stdout, 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (part: string) => {
      text[name] += part;
    });
  }
  await once(child, 'close');
  return { code: child.exitCode, ...text };
}

it.each([
  [
    "error: option '--rate <rate>' argument 'fast' is invalid. 'fast' is not a rate such as 1mpps.",
    "--rate: 'fast' is not a rate such as 1mpps",
  ],
  [
    "error: option '-n, --count <n>' argument 'it's' is invalid. Expected a whole number from 1 to 5.",
    "--count 'it's': Expected a whole number from 1 to 5",
  ],
  ["error: option '-a <device>' argument 'a\nb' is invalid. No such device.", "-a 'a b': No such device"],
  ["error: unknown option '--rat'", "unknown option '--rat'"],
])('regression: a wrong value is named once: %j', (text, line) => {
  expect(errorLine('tool', text)).toBe(`tool: ${line}\n`);
});

describe.each(PROGRAMS)('%s', (name, main) => {
  it('regression: fails with one line when its help is lost to a full disk', async () => {
    const full = openSync('/dev/full', 'w');
    const { code, stderr } = await run(main, ['--help'], full);
    closeSync(full);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^[^\n]*output is lost: ENOSPC: [^\n]*\n$/)]);
  });

  it('reports an unknown option with its likely meaning in one line', async () => {
    const { code, stdout, stderr } = await run(main, ['--hepl']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(
      new RegExp(`^${name}: unknown option '--hepl'[^\\n]*[Dd]id you mean --help\\?[^\\n]*\n$`),
    );
  });

  // From dist: a loader of TypeScript does not even start.
  it.each([20, 32, 64])('regression: says in one line when only %i files may be open', async (limit) => {
    const built = join(ROOT, 'dist', main.replace(/\.ts$/, '.js'));
    const line = ['-c', `ulimit -n ${limit}; exec "$@"`, 'sh', process.execPath, built, '--help'];
    const { status, stdout, stderr } = spawnSync('sh', line, { encoding: 'utf8' });
    if (limit > 20 && status === 0) expect(stdout).toContain('--help');
    else
      expect([status, stdout, stderr]).toEqual([
        1,
        '',
        `${name}: only ${limit} files may be open (ulimit -n), too few to load this program: raise it with 'ulimit -n 1024'\n`,
      ]);
  });
});

// After a change that is meant: npx vitest run tools/run/command.test.ts -u
it.each<[string, string, string[]]>([
  ...PROGRAMS.map(([name, main]): [string, string, string[]] => [name, main, []]),
  ...[...SUITES.map((suite) => suite.name), 'report'].map((suite): [string, string, string[]] => [
    `vhost-pci-bench ${suite}`,
    'tools/bench/main.ts',
    [suite],
  ]),
])('the help of %s is the reviewed one, in 80 columns but for examples', async (name, main, suite) => {
  const { code, stdout, stderr } = await run(main, [...suite, '--help']);
  expect([code, stderr]).toEqual([0, '']);
  const wide = stdout.split('\n').filter((line) => line.length > 80 && !line.includes('vhost-pci-'));
  expect(wide).toEqual([]);
  await expect(stdout).toMatchFileSnapshot(join(ROOT, 'test/help', `${name.replaceAll(' ', '-')}.txt`));
});

it.each<[string, string[], string]>([
  ['tools/device/main.ts', ['--queues', '1', '--queues', '2'], "--queues '2': It was given as '1' already\n"],
  ['tools/peer/main.ts', ['--size', '64', '--size', '65'], "--size '65': It was given as '64' already\n"],
  ['tools/pktgen/main.ts', ['--count', '5', '--count', '5'], "--count: It was given as '5' already\n"],
  [
    'tools/pktgen/main.ts',
    ['--peer', 'echo', '--peer=sink'],
    "--peer 'sink': It was given as 'echo' already\n",
  ],
  [
    'tools/bench/main.ts',
    ['limit', '--rounds', '1', '--rounds', '2'],
    "--rounds '2': It was given as '1' already\n",
  ],
  ['tools/bench/main.ts', ['report', '--out', 'a', '--out', 'b'], "--out 'b': It was given as 'a' already\n"],
  ['tools/dumpcap/main.ts', ['-N', '8', '-N', '9'], "-N '9': It was given as '8' already\n"],
  ['tools/devbind/main.ts', ['-b', 'a', '--bind', 'b', 'x'], "--bind 'b': It was given as 'a' already\n"],
  ['tools/start/main.ts', ['--size', '64', '--size', '65'], "--size '65': It was given as '64' already\n"],
])('regression: of two values of an option the first was forgotten: %s %j', async (main, args, says) => {
  const { code, stderr } = await run(main, args);
  expect([code, stderr]).toEqual([2, expect.stringMatching(/^[^\n]*\n$/)]);
  expect(stderr).toContain(says);
});

it.each([
  ['tools/device/main.ts', '--vhost-usr', '--vhost-user'],
  ['tools/peer/main.ts', '--vhostuser', '--vhost-user'],
  ['tools/bench/main.ts', 'limti', 'limit'],
])(
  'regression: %s names the misspelt word %s before what is missing without it',
  async (main, word, meant) => {
    const { code, stderr } = await run(main, [word, '/tmp/a']);
    expect([code, stderr]).toEqual([2, expect.stringContaining(`'${word}'`)]);
    expect(stderr).toContain(`(Did you mean ${meant}`);
  },
);

it.each([
  ['tools/device/main.ts', ['--vhost-user', 'a'], "option '--vfio-user <path>'"],
  ['tools/device/main.ts', ['--vfio-user', 'a'], "option '--vhost-user <path>'"],
  ['tools/device/main.ts', ['--queues', '2'], "options '--vhost-user <path>', '--vfio-user <path>'"],
  ['tools/peer/main.ts', ['--size', '64'], "option '--vhost-user <path>'"],
])('%s names all required options that are missing: %j', async (main, args, missing) => {
  const { code, stderr } = await run(main, args);
  expect([code, stderr]).toEqual([2, expect.stringContaining(`required ${missing} not specified\n`)]);
});
