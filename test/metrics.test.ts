// SPDX-License-Identifier: BSD-3-Clause
// --latencystats and --bitrate-stats of testpmd, read as collectd reads DPDK's: by the socket before version
// 2, at which a client names its own. The same with DPDK's testpmd, where it is installed. And what commands
// have changed of a port, in telemetry.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { native } from '../src/native.ts';
import { greeted, runtimeDirectory, TestClient } from '../src/telemetry/telemetry.test-help.ts';

import { Testpmd } from '../tools/run/testpmd.ts';
import { dpdkMissing } from './support/dpdk.ts';
import { Prompt } from './support/prompt.ts';
import { until } from './support/wait.ts';

const runtime = runtimeDirectory();
const cpu = native.getAffinity().at(-1);
const POLL = { timeout: 60_000 };
const DEVICES = ['--vdev', 'net_null0', '--vdev', 'net_null1'];
const LCORES = ['--lcores', `0@${cpu},1@${cpu}`];

interface Stats {
  readonly port: number;
  readonly stats: readonly { readonly name: string; readonly value: number }[];
}

/** collectd's dpdk_telemetry. */
class Collectd {
  readonly #sender: TestClient;
  readonly #client: TestClient;

  private constructor(sender: TestClient, client: TestClient) {
    this.#sender = sender;
    this.#client = client;
  }

  static async of(prefix: string): Promise<Collectd> {
    const folder = join(runtime.path, 'dpdk', prefix);
    const own = join(folder, 'collectd');
    const listening = native.unixListen(own, {}, true);
    const sender = new TestClient(join(folder, 'telemetry'));
    sender.send(`{"action":1,"command":"clients","data":{"client_path":"${own}"}}`);
    let fd = -1;
    await until('the process connects back', () => {
      fd = native.unixAccept(listening);
      return fd >= 0;
    });
    native.close(listening);
    return new Collectd(sender, TestClient.of(fd));
  }

  /** The data of an answer; null where it is an error. */
  async ask(command: string, data: object | null = null): Promise<readonly Stats[] | null> {
    this.#client.send(JSON.stringify({ action: 0, command, data }));
    return (JSON.parse(await this.#client.read()) as { data: readonly Stats[] | null }).data;
  }

  async value(command: string, name: string, at = 0): Promise<number> {
    const stats = (await this.ask(command))?.[at]?.stats ?? [];
    return stats.find((one) => one.name === name)?.value ?? Number.NaN;
  }

  close(): void {
    this.#client.close();
    this.#sender.close();
  }
}

let testpmd: Prompt | undefined;
afterEach(() => testpmd?.kill());

async function opened(...options: string[]): Promise<Prompt> {
  const prompt = new Prompt([...LCORES, ...DEVICES, '--no-huge', '--file-prefix=mt', '--', '-i', ...options]);
  testpmd = prompt;
  await prompt.prints('testpmd> ');
  return prompt;
}

async function type(prompt: Prompt, ...lines: string[]): Promise<void> {
  for (const line of lines) {
    const from = prompt.out.length;
    prompt.write(line);
    await prompt.prints('testpmd> ', from);
  }
}

describe('the figures of --latencystats and --bitrate-stats', () => {
  it('are there while the lcore forwards, and stay when it stops', async () => {
    const prompt = await opened('--latencystats=1', '--bitrate-stats=1');
    expect(prompt.out).toContain('Latencystats running on lcore 1');
    const collectd = await Collectd.of('mt');
    const latency = () => collectd.value('global_stat_values', 'avg_latency_ns');
    const rate = () => collectd.value('ports_all_stat_values', 'mean_bits_in', 1);
    expect([await latency(), await rate()]).toEqual([0, 0]);
    await type(prompt, 'start');
    await expect.poll(rate, POLL).toBeGreaterThan(1e6);
    await expect.poll(latency, POLL).toBeGreaterThan(0);
    await type(prompt, 'stop');
    const [global] = (await collectd.ask('global_stat_values')) ?? [];
    const values = new Map(global?.stats.map(({ name, value }) => [name, value]));
    expect(global?.port).toBe(-1);
    expect(values.get('min_latency_ns')).toBeGreaterThan(0);
    expect(values.get('max_latency_ns')).toBeGreaterThanOrEqual(values.get('avg_latency_ns') ?? Infinity);
    expect(values.get('jitter_ns')).toBeGreaterThanOrEqual(0);
    // Values of ports are not those of the process.
    expect(values.get('mean_bits_in')).toBe(0);
    const data = { ports: [1], stats: ['peak_bits_in', 'rx_good_packets'] };
    const named = await collectd.ask('ports_stats_values_by_name', data);
    expect(named?.[0]?.stats.map(({ name }) => name)).toEqual(data.stats);
    expect(named?.[0]?.stats[0]?.value).toBeGreaterThanOrEqual(await rate());
    expect(await latency()).toBe(values.get('avg_latency_ns'));
    collectd.close();
  });

  it('are not there without the options', async () => {
    await opened();
    const collectd = await Collectd.of('mt');
    const names = ((await collectd.ask('global_stat_values')) ?? []).flatMap(({ stats }) =>
      stats.map(({ name }) => name),
    );
    expect(names).toContain('rx_good_packets');
    expect(names.filter((name) => /latency|bits/.test(name))).toEqual([]);
    collectd.close();
  });

  it.skipIf(dpdkMissing())("have the names of DPDK's, in its order", async () => {
    const eal = [
      '--no-huge',
      '-m',
      '64',
      '--no-pci',
      '--file-prefix',
      'dpdk',
      '--lcores',
      `0@${cpu},1@${cpu}`,
    ];
    const app = ['-i', '--total-num-mbufs=2048', '--latencystats=1', '--bitrate-stats=1'];
    const command = ['stdbuf', '-oL', 'dpdk-testpmd', ...eal, ...DEVICES, '--', ...app];
    const env = { RUNTIME_DIRECTORY: runtime.path };
    const dpdk = new Testpmd({ name: 'dpdk-testpmd', command, env, maxRunMs: 60_000 }, 2);
    try {
      await expect.poll(() => existsSync(join(runtime.path, 'dpdk/dpdk/telemetry')), POLL).toBe(true);
      await opened('--latencystats=1', '--bitrate-stats=1');
      const theirs = await Collectd.of('dpdk');
      const ours = await Collectd.of('mt');
      const METRIC = /_ns$|_bits_|^rx_good_|^tx_good_/;
      const named = (answer: readonly Stats[] | null) =>
        answer?.map(({ port, stats }) => ({
          port,
          names: stats.map(({ name }) => name).filter((name) => METRIC.test(name)),
        }));
      const started = async () => (await theirs.value('global_stat_values', 'jitter_ns')) === 0;
      await expect.poll(started, POLL).toBe(true);
      const sets = (answer: ReturnType<typeof named>) =>
        answer?.map(({ port, names }) => [port, names.slice(0, 10), new Set(names)]);
      for (const command of ['ports_all_stat_values', 'global_stat_values'])
        expect(sets(named(await ours.ask(command)))).toEqual(sets(named(await theirs.ask(command))));
      for (const data of [
        { ports: [0], stats: ['mean_bits_in', 'min_latency_ns'] },
        { ports: [1, 0], stats: ['rx_good_bytes'] },
        { ports: [9], stats: ['rx_good_bytes'] },
        { ports: [0], stats: ['nope'] },
        { ports: [], stats: ['rx_good_bytes'] },
        { ports: 0, stats: [] },
        null,
      ]) {
        const names = async (of: Collectd) =>
          (await of.ask('ports_stats_values_by_name', data))?.map(({ port, stats }) => [
            port,
            stats.map(({ name }) => name),
          ]);
        expect([data, await names(ours)]).toEqual([data, await names(theirs)]);
      }
      for (const one of [theirs, ours]) one.close();
    } finally {
      await dpdk.stop();
    }
  });
});

describe('telemetry of what commands have changed', () => {
  it('has addresses, modes, link, queues, tags, hash and what filters have dropped', async () => {
    const prompt = await opened();
    const client = await greeted(join(runtime.path, 'dpdk/mt/dpdk_telemetry.v2'));
    await type(
      prompt,
      ...['mac_addr set 0 02:00:00:00:00:77', 'mac_addr add 0 02:00:00:00:00:78'],
      ...['set allmulti 0 off', 'vlan set strip on 0', 'vlan set filter on 0', 'rx_vlan add 64 0'],
      'port 0 rxq 0 stop',
    );
    expect(await client.ask('/ethdev/macs,0')).toEqual(['02:00:00:00:00:77', '02:00:00:00:00:78']);
    expect(await client.ask('/ethdev/info,0')).toMatchObject({
      mac_addr: '02:00:00:00:00:77',
      all_multicast: 0,
      promiscuous: 1,
      rx_offloads: ['VLAN_STRIP', 'VLAN_FILTER'],
    });
    expect(await client.ask('/ethdev/rx_queue,0')).toMatchObject({ queue_state: 0 });
    await type(prompt, 'port 0 rxq 0 start');
    expect(await client.ask('/ethdev/rx_queue,0')).toMatchObject({ queue_state: 1, deferred_start: 'off' });
    expect(await client.ask('/ethdev/vlan,0')).toMatchObject({
      VLAN_STRIP: 'on',
      VLAN_EXTEND: 'off',
      vlan_num: 1,
      vlan_ids: { vlan_64_to_127: [64] },
    });
    expect(await client.ask('/ethdev/rss_info,0')).toMatchObject({ rss_hf: '0x0', rss_key_len: 40 });
    // With two queues the device spreads packets, by its own hash; descriptors are as they were set.
    await type(
      prompt,
      ...['port stop all', 'port config all rxq 2', 'port config all txq 2'],
      ...['port start all', 'port stop 0', 'port config 0 rxq 1 ring_size 256'],
      ...['port config 0 txq 0 ring_size 128', 'port start 0'],
    );
    expect(await client.ask('/ethdev/rss_info,0')).toEqual({ rss_hf: '0x0', rss_key_len: 0, rss_key: '' });
    for (const [queue, nb_desc] of [
      ['rx_queue,0,0', 512],
      ['rx_queue,0,1', 256],
      ['tx_queue,0,0', 128],
    ] as const)
      expect(await client.ask(`/ethdev/${queue}`)).toMatchObject({ nb_desc });
    expect(await prompt.say('show rxq info 0 1')).toContain('Number of RXDs: 256');
    // net_null's packets are zeros, for nobody.
    await type(prompt, 'set promisc 0 off', 'start');
    const dropped = async () =>
      ((await client.ask('/ethdev/xstats,0')) as Record<string, number>).rx_mac_filter_discards;
    await expect.poll(dropped, POLL).toBeGreaterThan(0);
    await type(prompt, 'stop', 'clear port xstats 0');
    expect(await dropped()).toBe(0);
    client.close();
  });
});
