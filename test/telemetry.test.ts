// SPDX-License-Identifier: BSD-3-Clause
// testpmd's telemetry against its clients: DPDK's own script unmodified where it is installed, others as
// their sources have them, and the shapes of DPDK's testpmd.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { greeted, runtimeDirectory, TestClient } from '../src/telemetry/telemetry.test-help.ts';

import { Testpmd } from '../tools/run/testpmd.ts';
import { newerTelemetry } from './golden/newer-dpdk.ts';
import { dpdkMissing } from './support/dpdk.ts';
import { nodeArguments } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';
import { Prompt } from './support/prompt.ts';
import { until } from './support/wait.ts';

const runtime = runtimeDirectory();
const socketOf = (prefix: string) => join(runtime.path, 'dpdk', prefix, 'dpdk_telemetry.v2');
const NULLS = ['--vdev', 'net_null0', '--vdev', 'net_null1', '--no-huge'];

let testpmd: Prompt;
beforeEach(async () => {
  testpmd = new Prompt([
    ...NULLS,
    '--file-prefix',
    'tp',
    '--metrics',
    '0',
    '--',
    '-i',
    '--record-core-cycles',
  ]);
  await testpmd.prints('testpmd> ');
});
afterEach(() => testpmd.kill());

async function forwardingClient(): Promise<TestClient> {
  const from = testpmd.out.length;
  testpmd.write('start');
  await testpmd.prints('testpmd> ', from);
  return greeted(socketOf('tp'));
}

const POLL = { timeout: 30_000 };
type Counts = Record<string, number>;

describe('the telemetry of testpmd', () => {
  it('counts what is forwarded, and what its lcores do', async () => {
    const client = await forwardingClient();
    const packets = async () => ((await client.ask('/ethdev/stats,0')) as Counts).ipackets ?? 0;
    await expect.poll(packets, POLL).toBeGreaterThan(1000);
    const stats = (await client.ask('/ethdev/stats,1')) as Record<string, number[]>;
    expect(stats.q_ipackets?.[0]).toBeGreaterThan(0);
    const usage = (await client.ask('/eal/lcore/usage')) as Record<string, (number | string)[]>;
    expect(usage.lcore_ids).toHaveLength(1);
    expect(usage.busy_cycles?.[0]).toBeGreaterThan(0);
    expect(Number(usage.total_cycles?.[0])).toBeGreaterThanOrEqual(Number(usage.busy_cycles?.[0]));
    expect(await client.ask('/eal/app_params')).toEqual(['-i', '--record-core-cycles']);
    expect(await client.ask('/mempool/list')).toEqual(['mb_pool_0']);
    client.close();
  });

  it('serves metrics', async () => {
    const [, address] = /Metrics: (\S+)/.exec(testpmd.out) ?? [];
    const page = await fetch(String(address));
    expect(await page.text()).toContain('dpdk_port_link_up{port="1",name="net_null1"} 1');
  });

  it('is gone with the process', async () => {
    testpmd.write('quit');
    await until('testpmd ends', () => !testpmd.running);
    expect(readdirSync(join(runtime.path, 'dpdk'))).toEqual([]);
  });

  it('survives a thousand hostile requests and floods while it forwards', async () => {
    const client = await forwardingClient();
    const flood = Array.from({ length: 5 }, () => new TestClient(socketOf('tp')));
    for (let i = 0; i < 1000; i++) {
      for (const one of flood) one.send(Buffer.alloc((i % 1500) + 1, i));
      expect(await client.ask(`/nope${i}`)).toBeNull();
    }
    const packets = async () => ((await client.ask('/ethdev/stats,0')) as Counts).ipackets ?? 0;
    const before = await packets();
    await expect.poll(packets, POLL).toBeGreaterThan(before);
    for (const one of flood) one.close();
    const from = testpmd.out.length;
    testpmd.write('show port summary all');
    await testpmd.prints('Number of available ports: 2', from);
    client.close();
  });

  it('is not there with --no-telemetry, and a wrong prefix or address is a usage error', () => {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [...nodeArguments('src/testpmd/main.ts'), ...NULLS, ...args, '--', '-i'], {
        input: 'quit\n',
        encoding: 'utf8',
      });
    expect(run('--no-telemetry', '--file-prefix=none').status).toBe(0);
    expect(readdirSync(join(runtime.path, 'dpdk'))).toEqual(['tp']);
    expect(run('--file-prefix=../x')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--file-prefix'),
    });
    expect(run('--metrics=x:y')).toMatchObject({ status: 2, stderr: expect.stringContaining('--metrics') });
  });
});

describe('a scripted client', () => {
  it('telegraf: /ethdev/list, then each command for each port', async () => {
    const client = new TestClient(socketOf('tp'));
    expect(JSON.parse(await client.read())).toMatchObject({
      max_output_len: 16_384,
      pid: expect.any(Number),
    });
    const list = (await client.ask('/ethdev/list')) as number[];
    expect(list).toEqual([0, 1]);
    for (const port of list) {
      for (const command of ['/ethdev/stats', '/ethdev/xstats', '/ethdev/info', '/ethdev/link_status'])
        expect(await client.ask(`${command},${port}`)).toBeTypeOf('object');
    }
    client.close();
  });

  it('dpdk-telemetry-exporter: a new connection for each question, and the keys that it reads', async () => {
    const once = async (request: string) => {
      const client = await greeted(socketOf('tp'));
      const value = await client.ask(request);
      client.close();
      return value as Record<string, unknown>;
    };
    for (const port of (await once('/ethdev/list')) as unknown as number[]) {
      expect((await once(`/ethdev/info,${port}`)).name).toBe(`net_null${port}`);
      const keys = ['ipackets', 'ibytes', 'imissed', 'rx_nombuf', 'ierrors', 'opackets', 'obytes', 'oerrors'];
      expect(Object.keys(await once(`/ethdev/stats,${port}`))).toEqual(expect.arrayContaining(keys));
    }
    for (const lcore of (await once('/eal/lcore/list')) as unknown as number[])
      expect(await once(`/eal/lcore/info,${lcore}`)).toMatchObject({ cpuset: expect.any(Array), socket: 0 });
    expect(await once('/eal/memzone_list')).toBeNull();
  });
});

const missing = programMissing('dpdk-telemetry.py', 'dpdk-dev', 'requests of dpdk-telemetry.py');
/** The command, or why it cannot be had. */
const SCRIPTS = {
  installed: missing || ['dpdk-telemetry.py'],
  'of DPDK 24.11': missing || (await newerTelemetry()),
};

describe.each(Object.entries(SCRIPTS))('dpdk-telemetry.py, %s and unmodified', (_, command) => {
  describe.skipIf(typeof command === 'string')('as DPDK users run it', () => {
    const [program = '', ...first] = command;
    const run = (args: readonly string[], input = '') =>
      execFileSync(program, [...first, ...args], { input, encoding: 'utf8', env: process.env });

    it('finds the process, and prints what it is asked, as dpdk-telemetry-watcher reads it', () => {
      expect(run(['-l'])).toContain('tp\n- dpdk_telemetry.v2');
      const replies = run(['-f', 'tp'], '/info\n/ethdev/list\n/ethdev/stats,0\n/nope\nquit\n')
        .trim()
        .split('\n');
      expect(replies.map((line) => Object.keys(JSON.parse(line))[0])).toEqual([
        '/info',
        '/ethdev/list',
        '/ethdev/stats',
        '/nope',
      ]);
      expect(JSON.parse(replies[2] ?? '')['/ethdev/stats']).toHaveProperty('opackets');
    });

    /** What it prints for a request: an object with one key, the command. */
    const answers = (...requests: string[]) =>
      run(['-f', 'tp'], `${requests.join('\n')}\nquit\n`)
        .trim()
        .split('\n')
        .map((line) => Object.values(JSON.parse(line))[0]);

    it('has an answer and a help text of every command that is listed', () => {
      const [names] = answers('/') as [string[]];
      expect(names.length).toBeGreaterThan(20);
      /** The ports, lcores and pools of this process, for commands with a parameter. */
      const parameter = (name: string) => {
        if (name === '/eal/lcore/info') return ',1';
        if (name === '/mempool/info') return ',mb_pool_0';
        if (name === '/help') return ',/info';
        return name.startsWith('/ethdev/') && name !== '/ethdev/list' ? ',0' : '';
      };
      const requests = names.map((name) => name + parameter(name));
      for (const [i, value] of answers(...requests).entries()) {
        // net_null has no lines of its own to tell.
        if (names[i] === '/ethdev/dump_priv') expect(value).toBeNull();
        else expect([requests[i], value]).not.toEqual([requests[i], null]);
      }
      const helps = answers(...names.map((name) => `/help,${name}`));
      for (const [i, help] of helps.entries())
        expect(help).toEqual({ [names[i] ?? '']: expect.stringMatching(/^(Returns|List|Rx|Tx)/) });
      // Without its parameter, or with one of nothing that exists, a command fails and the script goes on.
      const needy = names.filter((name) => parameter(name) !== '' && name !== '/help');
      expect(answers(...needy)).toEqual(needy.map(() => null));
      const none = needy.filter((name) => name !== '/mempool/info');
      expect(answers(...none.map((name) => `${name},77`))).toEqual(none.map(() => null));
    });

    it('is read by dpdk-telemetry-watcher: what passes in a second, from lines that it asks for each second', async () => {
      // It runs the script with -f and -i, writes a request, reads a line, and takes differences.
      const from = testpmd.out.length;
      testpmd.write('start');
      const count = () => {
        const [list, stats] = answers('/ethdev/list', '/ethdev/stats,0') as [number[], Counts];
        expect(list).toEqual([0, 1]);
        return stats.ipackets ?? 0;
      };
      const first = count();
      await until('packets pass', () => count() > first);
      expect(testpmd.out.length).toBeGreaterThanOrEqual(from);
    });
  });
});

/** What a value is made of: keys and types, whatever the numbers. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shape(one)]));
}

describe.skipIf(dpdkMissing())("DPDK's own testpmd", () => {
  /** Of DPDK 22.11 in numbers; since 23.03 they are the arrays and strings that ours are. */
  const CHANGED = ['dev_flags', 'rx_offloads', 'tx_offloads', 'ethdev_rss_hf'];
  /** What DPDK knows of a pool's memory, and there is none here. */
  const MEMORY = /^mz_/;

  function comparable(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return shape(value);
    return Object.fromEntries(
      Object.entries(value)
        .filter(([key]) => !MEMORY.test(key))
        .map(([key, one]) => [key, CHANGED.includes(key) ? 'changed' : shape(one)]),
    );
  }

  it('answers in the same shapes', async () => {
    const eal = ['--no-huge', '-m', '64', '--no-pci', '--file-prefix', 'dpdk', '--lcores', '0@0,1@0'];
    const devices = ['--vdev', 'net_null0', '--vdev', 'net_null1'];
    const app = ['-i', '--total-num-mbufs=2048'];
    const command = ['stdbuf', '-oL', 'dpdk-testpmd', ...eal, ...devices, '--', ...app];
    const env = { RUNTIME_DIRECTORY: runtime.path };
    const dpdk = new Testpmd({ name: 'dpdk-testpmd', command, env, maxRunMs: 60_000 }, 2);
    try {
      await expect.poll(() => existsSync(socketOf('dpdk')), { timeout: 30_000 }).toBe(true);
      const [theirs, ours] = [await greeted(socketOf('dpdk')), await greeted(socketOf('tp'))];
      const configured = async () =>
        ((await theirs.ask('/ethdev/info,1')) as Counts | null)?.dev_started === 1;
      await expect.poll(configured, { timeout: 30_000 }).toBe(true);
      for (const request of [
        ...[
          '/info',
          '/help',
          '/help,/ethdev/stats',
          '/help,/nope',
          '/nope',
          'x',
          '/ethdev/list',
          '/ethdev/stats,1',
        ],
        ...['/ethdev/stats', '/ethdev/stats,9', '/ethdev/stats,-1', '/ethdev/stats,1 ', '/ethdev/stats,01'],
        ...[
          '/ethdev/xstats,0',
          '/ethdev/info,0',
          '/ethdev/link_status,0',
          '/ethdev/dump_priv,0',
          '/eal/params',
        ],
        ...['/eal/app_params', '/mempool/list', '/mempool/info,mb_pool_0', '/mempool/info'],
      ])
        expect([request, comparable(await ours.ask(request))]).toEqual([
          request,
          comparable(await theirs.ask(request)),
        ]);
      theirs.close();
      ours.close();
    } finally {
      await dpdk.stop();
    }
  });
});
