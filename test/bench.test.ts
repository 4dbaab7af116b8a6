// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-bench as a user runs it. Figures are only checked for existence, because other tests run at the
// same time.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ChainRow } from '../tools/bench/suites/chain-results.ts';
import { SUITES } from '../tools/bench/suites/table.ts';
import { findProgram } from '../tools/run/programs.ts';
import { dpdkMissing, memifMissing, ovsMissing } from './support/dpdk.ts';
import { nodeArguments } from './support/program.ts';
import { collect, type Ended, runTool, startTool } from './support/run-tool.ts';

const folder = mkdtempSync(join(tmpdir(), 'bench-'));
afterAll(() => rmSync(folder, { recursive: true }));
const NAMES = SUITES.map(({ name }) => name);
const bench = (...args: string[]): Promise<Ended> => runTool('tools/bench/main.ts', args);

/** A row whose ratio, minimum and maximum precede the rates; a disturbed machine marks or omits a ratio. */
const ratioRow = (...names: string[]): RegExp =>
  new RegExp(String.raw`│ ${names.join(' +│ +')} +│( +(\d+\.\d\d|-)\*? │){3} +\d+\.\d\d\*? │`);

describe('vhost-pci-bench', () => {
  it('prints its help', async () => {
    const { code, stdout } = await bench('--help');
    expect(code).toBe(0);
    for (const word of [...NAMES, 'report']) expect(stdout).toContain(`\n  ${word} [`);
  });

  it('refuses unknown arguments by name in one line', async () => {
    const wrong = [
      [['warp'], "unknown command 'warp'"],
      [['help', 'warp'], "unknown command 'warp'"],
      [['loopback', '--cases', 'rx,zx'], "'zx' is not one of rx, tx, io, macswap, relay"],
      [['loopback', '--sizes', '59'], '--sizes'],
      [['loopback', '--queue-size', '512'], '256 or 1024'],
      [['loopback', '--against', 'ovs'], '--against'],
      [['limit', '--cases', 'relay'], "'relay' is not one of rx, tx, io"],
      [['limit', '--of', 'theirs'], '--of'],
      [['interrupts', '--cases', 'tx'], "'tx' is not one of rx, io"],
      [['latency', '--load', '1.5'], '--load'],
      [['latency', '--load', '0.1', '--rate', '1000'], '--rate'],
      [['latency', '--mode', 'rxonly'], '--mode'],
      [['report', '--suites', 'limit,speed'], "'speed' is not one of"],
      // regression: said that --quick, which was not given, had no case of it
      [['report', '--suites', 'telemetry'], "'telemetry' is not one of"],
      [['chain', '--lengths', '2,8'], 'from 2 to 7'],
      [['ovs', '--flows', 'fxed'], "'fxed' is not one of fixed, normal"],
      [['pktgen', '--figures', 'speed'], "'speed' is not one of rates, replay"],
      [['pktgen', '--rates', '1kpps,fast'], "'fast' is not a rate"],
      [['pktgen', '--rates', 'max'], 'the figure max measures it'],
      [['limit', '--cpus', '1,1'], 'two different CPUs'],
      [['limit', '--cpus', '0,1023'], 'may not run on CPU 1023'],
      [['limit', '--rouds', '1'], '--rouds'],
      [['limit', '--of', 'net_vhost', '--copying'], '--copying: not with --of net_vhost'],
    ] as const;
    for (const [args, said] of wrong) {
      const { code, stderr } = await bench(...args);
      expect([args, code]).toEqual([args, 2]);
      expect(stderr).toContain(said);
      expect(stderr).not.toMatch(/^ +at /m);
    }
  });

  it.each(NAMES)('%s refuses a frame of 20 bytes and no rounds in one line', async (suite) => {
    for (const args of [
      ['--sizes', '20'],
      ['--rounds', '0'],
    ]) {
      const { code, stdout, stderr } = await bench(suite, ...args);
      expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(/^vhost-pci-bench: [^\n]*\n$/)]);
      expect(stderr).toContain(args[0]);
    }
  });

  it('loses no figure to a full disk and a closed pipe', () => {
    const short = [
      'limit',
      '--cases',
      'tx',
      '--peer',
      'builtin',
      '--rounds',
      '1',
      '--seconds',
      '0.2',
      '--no-huge',
    ];
    const words = [
      process.execPath,
      ...nodeArguments('tools/bench/main.ts'),
      ...short,
      '--json',
      '/dev/full',
    ];
    const command = words.map((word) => `'${word}'`).join(' ');
    const script = `{ ${command}; echo "status $?" >&2; } | true`;
    const { stderr } = spawnSync('sh', ['-c', script], { cwd: folder, encoding: 'utf8', timeout: 280_000 });
    expect(stderr).toContain('status 1');
    const place = (why: string) =>
      join(folder, new RegExp(`${why}: .*; the figures went to (\\S+)`).exec(stderr)?.[1] ?? 'nowhere');
    expect(JSON.parse(readFileSync(place('/dev/full'), 'utf8')).rows).toHaveLength(1);
    expect(readFileSync(place('standard output'), 'utf8')).toMatch(/│ tx-64 /);
  }, 300_000);

  it('that is interrupted prints and keeps the cases that it has measured', async () => {
    const file = join(folder, 'interrupted.json');
    const short = ['--rounds', '1', '--seconds', '0.2', '--no-huge', '--json', file];
    const cases = ['--cases', 'rx,tx'];
    const child = startTool('tools/bench/main.ts', ['limit', '--peer', 'builtin', ...cases, ...short]);
    const ended = collect(child);
    child.stderr?.on('data', (text: Buffer) => {
      if (text.toString().includes('tx-64, round 1 of 1: starting')) child.kill('SIGTERM');
    });
    const { code, stdout, stderr } = await ended;
    expect([code, stderr], stderr).toEqual([
      143,
      expect.stringContaining('interrupted: 1 of 2 cases were measured'),
    ]);
    expect(stderr).toMatch(/^limit: rx-64, tx-64; .*; about 10 s on a quiet machine$/m);
    expect(stdout).toMatch(/│ rx-64 /);
    expect(JSON.parse(readFileSync(file, 'utf8')).rows.map((row: { case: string }) => row.case)).toEqual([
      'rx-64',
    ]);
  }, 300_000);

  it('regression: that is interrupted lost the rounds of the case under way', async () => {
    const file = join(folder, 'in-part.json');
    const short = ['--rounds', '3', '--seconds', '0.2', '--no-huge', '--json', file];
    const child = startTool('tools/bench/main.ts', ['limit', '--peer', 'builtin', '--cases', 'rx', ...short]);
    const ended = collect(child);
    child.stderr?.on('data', (text: Buffer) => {
      if (text.toString().includes('rx-64, round 2 of 3: starting')) child.kill('SIGINT');
    });
    const { code, stdout, stderr } = await ended;
    expect([code, stderr], stderr).toEqual([
      130,
      expect.stringContaining('interrupted: 0 of 1 cases were measured, and rounds of rx-64\n'),
    ]);
    expect(stdout).toMatch(/│ rx-64 [\s\S]*\ninterrupted: rx-64 has the rounds until then only\n/);
    const { rows, interrupted } = JSON.parse(readFileSync(file, 'utf8'));
    expect([rows.length, rows[0].rounds.length, interrupted]).toEqual([1, 1, 'rx-64']);
  }, 300_000);

  it('regression: names a surplus argument, and prints control characters of a value as blanks', async () => {
    const surplus = await bench('limit', 'foo');
    expect([surplus.code, surplus.stderr]).toEqual([2, "vhost-pci-bench: unexpected argument 'foo'\n"]);
    const unclean = await bench('limit', '--rounds=1\u001b[2J\n2');
    expect([unclean.code, unclean.stderr]).toEqual([
      2,
      expect.stringMatching(/^vhost-pci-bench: --rounds '1 \[2J 2': [^\p{Cc}]*\n$/u),
    ]);
  });

  it('says what to install when DPDK is missing', async () => {
    const { code, stderr } = await runTool('tools/bench/main.ts', ['loopback'], { PATH: '/nowhere' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^vhost-pci-bench: dpdk-testpmd is not installed: apt-get install .*\n$/);
  });

  it('reports that it cannot write the report before it measures', async () => {
    const { code, stderr } = await bench('limit', '--peer', 'builtin', '--json', '/nowhere/at-all.json');
    expect(code).toBe(1);
    expect(stderr).toContain('/nowhere/at-all.json');
  });

  it('regression: refuses a directory as the report before it measures', async () => {
    const { code, stderr } = await bench('limit', '--peer', 'builtin', '--json', folder);
    expect(code).toBe(1);
    expect(stderr).toContain(`Failed to write ${folder}: it is a directory`);
    expect(stderr).not.toContain('limit-');
  });

  it('regression: refuses an empty name of the report before it measures', async () => {
    const { code, stderr } = await bench('limit', '--peer', 'builtin', '--json', '');
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('Failed to write the report: the name is empty'),
    ]);
  });

  it('names the case that needs more ports than the built-in peer has', async () => {
    const { code, stderr } = await bench('in-place', '--cases', 'relay', '--peer', 'builtin', '--no-huge');
    expect([code, stderr]).toEqual([
      2,
      'vhost-pci-bench: --peer builtin: relay-64: the built-in peer has only one port; use --peer dpdk\n',
    ]);
  });

  it.skipIf(dpdkMissing())(
    'compares relays and macswap on packed rings',
    async () => {
      const { code, stdout, stderr } = await bench(
        ...[
          'loopback',
          '--cases',
          'relay,macswap',
          '--sizes',
          '64',
          '--packed',
          '--rounds',
          '1',
          '--seconds',
          '0.5',
        ],
      );
      expect([code, stderr]).toEqual([0, expect.stringContaining('macswap-64, round 1 of 1')]);
      expect(stdout).toContain('relay-64');
      expect(stdout).toContain('rings of 256, packed');
    },
    300_000,
  );

  it.skipIf(memifMissing())('compares RFC 2.1 and 2.0 with net_memif', async () => {
    const { code, stdout, stderr } = await bench(
      ...[
        'memif',
        '--modes',
        'copying',
        '--cases',
        'tx',
        '--sizes',
        '64',
        '--rounds',
        '1',
        '--seconds',
        '0.5',
      ],
      '--no-huge',
    );
    expect([code, stderr.includes('tx-64, RFC 2.0, copying, round 1 of 1: ours')], stderr).toEqual([0, true]);
    for (const rfc of ['2.1', '2.0']) expect(stdout).toMatch(ratioRow('tx-64', 'copying', rfc));
  });

  it.skipIf(memifMissing())('regression: that is interrupted lost the comparison before', async () => {
    const short = ['--cases', 'tx', '--sizes', '64', '--rounds', '1', '--seconds', '0.2', '--no-huge'];
    const child = startTool('tools/bench/main.ts', ['memif', '--modes', 'copying', ...short]);
    const ended = collect(child);
    child.stderr?.on('data', (text: Buffer) => {
      if (text.toString().includes('RFC 2.0, copying, round 1 of 1: starting')) child.kill('SIGINT');
    });
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(130);
    expect(stdout).toMatch(ratioRow('tx-64', 'copying', '2.1'));
    expect(stdout).toMatch(/interrupted: tx-64 has the rounds until then only\n/);
  });

  it.skipIf(ovsMissing())(
    'compares VM ends over Open vSwitch with ours',
    async () => {
      const { code, stdout, stderr } = await bench(
        ...['ovs', '--cases', 'to-pmd,relay', '--flows', 'normal', '--sizes', '64', '--no-tune'],
        ...['--rounds', '1', '--seconds', '0.4'],
      );
      expect([code, stderr], stderr).toEqual([
        0,
        expect.stringContaining('guest, switch, guest: 30000 frames'),
      ]);
      for (const name of ['to-pmd-64', 'relay-64']) expect(stdout).toMatch(ratioRow(name, 'normal'));
      expect(stdout).toContain('OVS normal: pmd-rxq-affinity 0:');
    },
    300_000,
  );

  it.skipIf(ovsMissing())(
    'compares chains of guests',
    async () => {
      const file = join(folder, 'chain.json');
      const { code, stdout, stderr } = await bench(
        ...['chain', '--lengths', '3', '--no-tune', '--rounds', '1', '--seconds', '0.4', '--json', file],
      );
      expect([code, stderr], stderr).toEqual([
        0,
        expect.stringContaining('latency-3-64, RFC 2.1, round 1 of 1'),
      ]);
      expect(stdout).toContain('projected, not measured');
      const rows: ChainRow[] = JSON.parse(readFileSync(file, 'utf8')).rows;
      const names = rows.map(({ figure, guests, rfc }) => `${figure} ${guests} ${rfc}`);
      expect(names).toEqual(['throughput 3 2.0', 'throughput 3 2.1', 'latency 3 2.0', 'latency 3 2.1']);
      for (const { figure, cycles, hop_us, ovs_mpps, projected_mpps } of rows) {
        if (figure === 'throughput') expect(projected_mpps?.ovs).toBeGreaterThanOrEqual(ovs_mpps);
        const [ours = 0, ovs = 0] = [(cycles ?? hop_us)?.ours, (cycles ?? hop_us)?.ovs];
        expect([figure, ours > 0, ovs > 0]).toEqual([figure, true, true]);
      }
    },
    300_000,
  );

  it.skipIf(dpdkMissing())('says what to install when Open vSwitch is missing', async () => {
    const dpdkOnly = mkdtempSync(join(tmpdir(), 'path-'));
    symlinkSync(`${findProgram('dpdk-testpmd')}`, join(dpdkOnly, 'dpdk-testpmd'));
    const { code, stderr } = await runTool('tools/bench/main.ts', ['ovs'], { PATH: dpdkOnly });
    rmSync(dpdkOnly, { recursive: true });
    expect([code, stderr.split('\n').at(-2)]).toEqual([
      1,
      expect.stringMatching(/^vhost-pci-bench: Open vSwitch .* apt-get install .*openvswitch-switch-dpdk/),
    ]);
  });

  it('tells how exact the packet generator is', async () => {
    const file = join(folder, 'pktgen.json');
    const short = ['--rounds', '1', '--seconds', '0.3', '--no-huge', '--json', file];
    const exact = ['pktgen', '--figures', 'rates,replay,ndr', '--rates', '1kpps,50%max'];
    const { code, stdout, stderr } = await bench(...exact, ...short);
    expect([code, stderr], stderr).toEqual([0, expect.stringContaining('replay, round 1 of 1')]);
    for (const head of ['gaps off by', 'as they were', 'drops above']) expect(stdout).toContain(head);
    const [slow, share, replay, ndr] = JSON.parse(readFileSync(file, 'utf8')).rows;
    expect([slow.asked_pps, slow.rounds.length, share.asked_pps > 1000]).toEqual([1000, 1, true]);
    expect(replay.rounds[0].whole).toBe(replay.rounds[0].packets);
    expect([ndr.drops_above_pps, ndr.found_pps > 0]).toEqual([1e6, true]);
  }, 300_000);

  it.skipIf(dpdkMissing())(
    "compares the packet generator with DPDK's txonly and latencystats",
    async () => {
      const { code, stdout, stderr } = await bench(
        ...['pktgen', '--figures', 'max,latency', '--rounds', '1', '--seconds', '0.5', '--no-huge'],
      );
      expect([code, stderr], stderr).toEqual([0, expect.stringContaining('latency, round 1 of 1: p50 ')]);
      expect(stdout).toMatch(ratioRow('max'));
      expect(stdout).toMatch(/│ 512 frames at 10000 pps │ +\d+\.\d\d\*? │/);
    },
    300_000,
  );

  it('compares in-place work with copying', async () => {
    const { code, stdout, stderr } = await bench(
      ...[
        'in-place',
        '--cases',
        'tx',
        '--sizes',
        '64',
        '--peer',
        'builtin',
        '--rounds',
        '1',
        '--seconds',
        '0.5',
      ],
      '--no-huge',
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining('tx-64, round 1 of 1: in place ')]);
    expect(stdout).toContain('copying Mpps');
  }, 300_000);

  it('compares a testpmd that is polled with one that is not', async () => {
    const { code, stdout, stderr } = await bench(
      ...[
        'telemetry',
        '--cases',
        'rx',
        '--peer',
        'builtin',
        '--rounds',
        '1',
        '--seconds',
        '0.4',
        '--no-huge',
      ],
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining('rx-64, round 1 of 1: polled ')]);
    expect(stdout).toContain('alone Mpps');
  }, 300_000);

  it.skipIf(dpdkMissing())(
    'compares with net_vhost',
    async () => {
      const file = join(folder, 'loopback.json');
      const { code, stdout, stderr } = await bench(
        ...[
          'loopback',
          '--against',
          'dpdk',
          '--rounds',
          '1',
          '--seconds',
          '1',
          '--cases',
          'rx',
          '--sizes',
          '64',
        ],
        ...['--json', file],
      );
      expect([code, stderr]).toEqual([0, expect.stringContaining('rx-64, round 1 of 1')]);
      expect(stdout).toContain('net_vhost Mpps');
      const report = JSON.parse(readFileSync(file, 'utf8'));
      expect(report.suite).toBe('loopback');
      expect(report.machine.dpdk).toMatch(/^\d+\.\d+/);
      const [row] = report.rows;
      expect(row.case).toBe('rx-64');
      for (const figure of [row.ours_mpps, row.theirs_mpps, row.ratio.median, row.ratio.min, row.ratio.max]) {
        expect(figure).toBeGreaterThan(0);
      }
      expect(row.ours_cycles_per_packet).toBeGreaterThan(0);
    },
    300_000,
  );

  it.skipIf(dpdkMissing())(
    'compares latencies with net_vhost',
    async () => {
      const file = join(folder, 'latency.json');
      const { code, stdout, stderr } = await bench(
        ...['latency', '--rate', '10000', '--rounds', '1', '--seconds', '0.5', '--json', file],
      );
      expect([code, stderr]).toEqual([0, expect.stringContaining('io-64, round 1 of 1')]);
      for (const word of ['p99.9 us', 'net_vhost', 'up to us']) expect(stdout).toContain(word);
      const report = JSON.parse(readFileSync(file, 'utf8'));
      expect([report.suite, report.machine.dpdk]).toEqual(['latency', expect.stringMatching(/^\d+\.\d+/)]);
      const [row] = report.rows;
      expect([row.case, row.rate_pps]).toEqual(['io-64', 10_000]);
      for (const side of [row.ours, row.theirs]) {
        expect([side.lost, side.p50_us > 0, side.p50_us <= side.p99_9_us]).toEqual([0, true, true]);
      }
      expect(row.ratio.p99_9.median).toBeGreaterThan(0);
      for (const side of [row.histogram.ours, row.histogram.theirs]) expect(side.length).toBeGreaterThan(0);
    },
    300_000,
  );

  it('finds the limit of the built-in peer', async () => {
    const file = join(folder, 'limit.json');
    const { code, stderr } = await bench(
      ...['limit', '--peer', 'builtin', '--rounds', '1', '--seconds', '1', '--no-huge', '--json', file],
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining('io-64, round 1 of 1')]);
    // regression: the first line says what comes, before the first round has ended
    expect(stderr).toMatch(
      /^limit: rx-64, tx-64, io-64; 1 rounds? of 1 s, peer builtin, rings of 256, [^\n]*CPU \d+; about \d+ s on a quiet machine\n/,
    );
    const { rows } = JSON.parse(readFileSync(file, 'utf8'));
    expect(rows.map((row: { case: string }) => row.case)).toEqual(['rx-64', 'tx-64', 'io-64']);
    for (const row of rows) expect(row.limit_mpps).toBeGreaterThan(0);
  }, 300_000);

  it('finds the limit with a back-end that only moves the bytes', async () => {
    const { code, stdout, stderr } = await bench(
      ...['limit', '--peer', 'builtin', '--touch', '--packed', '--copying'],
      ...['--rounds', '1', '--seconds', '0.5', '--no-huge'],
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining('io-64, round 1 of 1')]);
    expect(stdout).toContain('of the limit: median');
    expect(stdout).toContain(', packed, one queue pair, ours copying through mbufs');
  }, 300_000);

  it.skipIf(dpdkMissing())(
    'finds how much of the limit net_vhost has',
    async () => {
      const file = join(folder, 'limit-of.json');
      const { code, stdout, stderr } = await bench(
        ...['limit', '--of', 'net_vhost', '--cases', 'io', '--packed'],
        ...['--rounds', '1', '--seconds', '0.5', '--no-huge', '--json', file],
      );
      expect([code, stderr]).toEqual([0, expect.stringContaining('io-64, round 1 of 1: net_vhost ')]);
      expect(stdout).toContain('│ net_vhost Mpps │');
      const [row] = JSON.parse(readFileSync(file, 'utf8')).rows;
      expect([row.case, row.ours_mpps]).toEqual(['io-64', undefined]);
      expect(row.theirs_mpps).toBeGreaterThan(0);
    },
    300_000,
  );

  it('compares interrupt mode with polling', async () => {
    const file = join(folder, 'interrupts.json');
    const { code, stdout, stderr } = await bench(
      ...['interrupts', '--cases', 'rx', '--peer', 'builtin', '--rounds', '1', '--seconds', '1', '--no-huge'],
      ...['--json', file],
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining('rx-64, round 1 of 1')]);
    expect(stdout).toContain('adaptive Mpps');
    const { rows } = JSON.parse(readFileSync(file, 'utf8'));
    expect(rows.map((row: { case: string; mode?: string }) => row.mode ?? row.case)).toEqual([
      ...['rx-64', 'adaptive', 'on', 'off'],
    ]);
    expect(rows[0].ratio.median).toBeGreaterThan(0);
  }, 300_000);
});
