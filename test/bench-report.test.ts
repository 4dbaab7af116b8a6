// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-bench report as a user runs it: the page in a real browser, an interrupted run, and bad input.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

import { packageVersion } from '../src/package-root.ts';
import { newRun, type RunFile } from '../tools/bench/document/run-file.ts';
import { describeSurroundings } from '../tools/bench/instruments/surroundings.ts';
import { describeMachine } from '../tools/run/machine.ts';
import { dpdkMissing, ovsMissing } from './support/dpdk.ts';
import { ROOT } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';
import { collect, runTool, startTool } from './support/run-tool.ts';

const MAIN = 'tools/bench/main.ts';
const folder = mkdtempSync(join(tmpdir(), 'report-'));
afterAll(() => rmSync(folder, { recursive: true }));
const QUICK_MS = 900_000;

const measured = (out: string): string[] =>
  JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')).steps.flatMap(
    ({ cases }: { cases: { name: string }[] }) => cases.map(({ name }) => name),
  );

/** The page as a browser without a network has it, and how it looks. */
function opened(page: string): { dom: string; bytes: number } {
  const picture = join(folder, 'page.png');
  const options = ['--headless', '--no-sandbox', '--disable-gpu', '--host-resolver-rules=MAP * ~NOTFOUND'];
  const run = (...args: string[]) =>
    execFileSync('chromium', [...options, ...args, `file://${page}`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 60_000,
      env: { ...process.env, HOME: folder },
    });
  run(`--screenshot=${picture}`, '--window-size=1200,4000');
  return { dom: run('--dump-dom'), bytes: statSync(picture).size };
}

describe.skipIf(ovsMissing())('the quick report', () => {
  const out = join(folder, 'quick');

  it(
    'measures every suite',
    async () => {
      const { code, stdout, stderr } = await runTool(MAIN, ['report', '--quick', '--out', out], {}, QUICK_MS);
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/^\[case 1 of \d+, about \d+ (s|min) left\] loopback rx-64, round 1 of 1/m);
      expect(stdout).not.toContain('Not measured');
      for (const words of [
        'Side by side',
        'OVS+DPDK',
        'net_memif',
        'projected, not measured',
        'Open vSwitch 3',
        '$ vhost-pci-bench pktgen --figures rates,max --rates 1mpps',
        '│ pktgen Mpps │ txonly Mpps │',
      ])
        expect(stdout).toContain(words);
      expect(readFileSync(join(out, 'report.txt'), 'utf8')).toBe(stdout);
      expect(readdirSync(out).filter((name) => name.endsWith('.svg')).length).toBeGreaterThanOrEqual(8);
    },
    QUICK_MS,
  );

  it.skipIf(programMissing('chromium', 'chromium', 'looks at the page'))('opens in a browser', () => {
    const { dom, bytes } = opened(join(out, 'report.html'));
    expect(dom.match(/<svg /g)?.length).toBeGreaterThanOrEqual(8);
    // Options are kept whole at the end of a line.
    for (const words of [
      ...['Side by side', 'vhost-pci-bench chain --lengths 2,7', 'All raw data'],
      ...['<h2>pktgen</h2>', 'vhost-pci-bench pktgen --figures rates,max', '<th>pktgen Mpps</th>'],
      'The generator at its fastest',
    ])
      expect(dom.replace(/<\/?span>/g, '')).toContain(words);
    // An empty page of this size has about 10 kB.
    expect(bytes).toBeGreaterThan(50_000);
  });

  it('is shown beside an earlier one', async () => {
    const args = ['report', '--quick', '--out', out, '--resume', '--compare', join(out, 'report.json')];
    const { code, stdout, stderr } = await runTool(MAIN, args);
    expect([code, stderr.includes('round 1')], stderr).toEqual([0, false]);
    expect(stdout).toContain('Against report.json');
    // A disturbed machine may have left a case without a ratio, and so without a change.
    for (const name of ['rx-64', 'tx-64', 'io-64'])
      expect(stdout).toMatch(
        new RegExp(String.raw`^│ loopback │ ${name} .*│ +(0 % \(ranges overlap\)|-) │$`, 'm'),
      );
  });
});

/** Until the disk has no room. */
function fill(file: string): void {
  try {
    for (;;) appendFileSync(file, Buffer.alloc(4096));
  } catch {
    // It is full.
  }
}

describe('a report', () => {
  it('keeps what an interrupted run has measured, and resumes', async () => {
    const out = join(folder, 'interrupted');
    const args = ['report', '--quick', '--suites', 'limit', '--out', out];
    const child = startTool(MAIN, args, {});
    const ended = collect(child);
    child.stderr?.on('data', (text: Buffer) => {
      if (text.toString().includes('tx-64, round 1 of 1: starting')) child.kill('SIGINT');
    });
    const first = await ended;
    if (first.stderr.includes('dpdk-testpmd is not installed')) return;
    expect([first.code, first.stderr]).toEqual([130, expect.stringContaining('--resume measures the rest')]);
    expect(measured(out)).toEqual(['rx-64']);
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('Interrupted: 1 of 3 cases');
    const second = await runTool(MAIN, [...args, '--resume']);
    expect([second.code, measured(out)], second.stderr).toEqual([0, ['rx-64', 'tx-64', 'io-64']]);
    expect(second.stderr).not.toContain('rx-64, round');
  }, 300_000);

  it.skipIf(dpdkMissing() || process.getuid?.() !== 0)(
    'loses no figure to a disk that fills up while it measures',
    async () => {
      const [out, filler] = [join(folder, 'full'), join(folder, 'full', 'filler')];
      mkdirSync(out);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', out]);
      try {
        const child = startTool(MAIN, ['report', '--quick', '--suites', 'limit', '--out', out]);
        const ended = collect(child);
        child.stderr?.on('data', (text: Buffer) => {
          if (text.toString().includes('tx-64, round 1 of 1: starting')) fill(filler);
        });
        const { code, stdout, stderr } = await ended;
        expect([code, stdout], stderr).toEqual([1, expect.stringMatching(/│ tx-64 /)]);
        expect(stderr).toMatch(/^vhost-pci-bench: Failed to write /m);
        // What is there makes room for what replaces it, if that is not larger.
        const place = /; the figures went to (\S+)/.exec(stderr)?.[1];
        const file = place === undefined ? join(out, 'report.json') : join(ROOT, place);
        expect(JSON.parse(readFileSync(file, 'utf8')).steps[0].cases).toHaveLength(3);
        rmSync(file);
      } finally {
        execFileSync('umount', [out]);
      }
    },
    300_000,
  );

  it('says what to install for what it leaves out', async () => {
    const out = join(folder, 'bare');
    const { code, stdout } = await runTool(MAIN, ['report', '--quick', '--out', out], { PATH: '/nowhere' });
    expect(code).toBe(0);
    expect(stdout).toMatch(/Not measured: dpdk-testpmd is not installed: apt-get install /);
  });

  it('fails where a suite broke off', async () => {
    const [out, path] = [join(folder, 'broken'), join(folder, 'bin')];
    mkdirSync(path);
    writeFileSync(join(path, 'dpdk-testpmd'), '#!/bin/sh\nexit 3\n', { mode: 0o755 });
    const args = ['report', '--quick', '--suites', 'limit', '--out', out];
    const { code, stdout } = await runTool(MAIN, args, { PATH: `${path}:/bin` });
    expect(stdout).toMatch(/Not measured: dpdk-testpmd .*ended \(3\)/);
    expect(code).toBe(1);
  });

  const limitRow = {
    ...{ case: 'rx-64', limit_mpps: 10, ours_mpps: 9, cpu_share: 1, disturbed: false },
    ...{ ratio: { median: 0.9, min: 0.9, max: 0.9 }, rounds: [{ ratio: 0.9, mpps: [9, 10] }] },
  };
  /** What an interrupted run of limit has left here, with one row. */
  const interruptedRun = (row: object, args = ['--rounds', '1', '--seconds', '0.4']) =>
    newRun({
      ...{ version: packageVersion(), quick: true, surroundings: describeSurroundings() },
      machine: describeMachine(undefined, true),
      steps: [
        {
          ...{ suite: 'limit', args, wanted: ['rx-64', 'tx-64'] },
          cases: [{ name: 'rx-64', seconds: 1, stolen: 0, rows: [row] }],
        },
      ],
    });

  /** `run` resumed in a folder of this name. How many hugepages are free is not up to a test. */
  async function resumed(name: string, run: RunFile, suite: string) {
    const out = join(folder, name);
    mkdirSync(out);
    const args = ['report', '--quick', '--suites', suite, '--out', out, '--resume'];
    const under = async (hugepages: boolean) => {
      const machine = { ...run.machine, hugepages };
      writeFileSync(join(out, 'report.json'), JSON.stringify({ ...run, machine }));
      return { out, ...(await runTool(MAIN, args, { PATH: '/nowhere' })) };
    };
    const first = await under(true);
    return first.stderr.includes('hugepages: true, now false') ? under(false) : first;
  }

  it('regression: resumed with other suites, keeps and shows all that was measured', async () => {
    const { out, code, stdout, stderr } = await resumed('others', interruptedRun(limitRow), 'memif');
    expect([code, measured(out)], stderr).toEqual([0, ['rx-64']]);
    for (const words of [
      'Not measured: dpdk-testpmd is not',
      '$ vhost-pci-bench limit --rounds',
      '│ rx-64 │',
    ])
      expect(stdout).toContain(words);
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('Interrupted: 1 of 2 cases');
  });

  const good = interruptedRun(limitRow);
  it.each([
    [
      'other-machine',
      { ...good, machine: { ...good.machine, cpus: 4096 } },
      'was measured elsewhere or with',
    ],
    ['other-version', { ...good, version: '0' }, 'is of version "0", and this is '],
    ['not-quick', { ...good, quick: false }, 'is of a run without --quick: leave --quick out'],
    // Of rows that had no ratio.
    [
      'other-rows',
      interruptedRun({ case: 'rx-64', limit_mpps: 1 }),
      'has rows of another version, which this',
    ],
    ['other-options', interruptedRun(limitRow, ['--no-such-option']), 'has rows of another version, which'],
  ])('is not resumed, nor is anything written, where figures do not fit: %s', async (name, run, said) => {
    const { out, code, stderr } = await resumed(name, run, 'limit');
    expect([code, readdirSync(out), measured(out)], stderr).toEqual([1, ['report.json'], ['rx-64']]);
    expect(stderr).toMatch(/^vhost-pci-bench: [^\n]*\n$/);
    expect(stderr).toContain(`${join(out, 'report.json')} ${said}`);
  });

  it('names a folder or an earlier report that is not one, before it measures', async () => {
    const file = join(folder, 'cut.json');
    writeFileSync(file, '{"format":1,');
    const wrong = join(folder, 'wrong.json');
    const run = interruptedRun({ case: 'rx-64', limit_mpps: 1e308 });
    writeFileSync(wrong, JSON.stringify(run));
    mkdirSync(join(folder, 'empty'));
    for (const [args, said] of [
      [['--compare', file], `${file} is not the report.json of a run`],
      [['--compare', wrong], `${wrong}: limit_mpps of limit rx-64 is 1e+308, which no run measures`],
      [['--compare', '/nowhere/old.json'], 'Failed to read /nowhere/old.json'],
      [['--out', file], `Failed to create ${file}`],
      [
        ['--out', join(folder, 'empty'), '--resume'],
        `Failed to read ${join(folder, 'empty', 'report.json')}`,
      ],
    ] as const) {
      const { code, stderr } = await runTool(MAIN, ['report', '--quick', ...args]);
      expect([args, code]).toEqual([args, 1]);
      expect(stderr).toMatch(/^vhost-pci-bench: [^\n]*\n$/);
      expect(stderr).toContain(said);
    }
  });

  it.each([
    [['--out', ''], '--out needs the name of a folder'],
    [['--quick', '--suites', 'in-place'], '--quick has no case of in-place: leave --quick or them out'],
    [['--repeat-disturbed'], '--repeat-disturbed needs --resume: it repeats cases of an earlier run'],
  ])('regression: had status 1 instead of 2 for a wrong option: %j', async (args, said) => {
    const { code, stderr } = await runTool(MAIN, ['report', ...args]);
    expect([code, stderr]).toEqual([2, `vhost-pci-bench: ${said}\n`]);
  });
});
