// SPDX-License-Identifier: BSD-3-Clause
// What is said of ports, in the socket and on the page of metrics.
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPort } from '../drivers/registry.ts';
import type { Port } from '../ethdev/port.ts';
import { CommandTable } from './commands.ts';
import { ealCommands } from './eal-commands.ts';
import { ethdevCommands } from './ethdev-commands.ts';
import { addressAdvice, MetricsServer, parseMetricsAddress } from './metrics-server.ts';
import { portMetrics } from './port-metrics.ts';
import { plainView } from './port-view.ts';

const table = new CommandTable([
  ...ethdevCommands({ view: plainView, mbufSize: 2176, poolName: () => 'mb_pool_0' }),
  ...ealCommands({
    params: ['a'],
    appParams: ['-i'],
    lcores: () => [
      { id: 0, cpus: [0, 1] },
      { id: 1, cpus: [1], usage: { total: 3000, busy: 1000 } },
    ],
    pools: () => [{ name: 'mb_pool_0', size: 4858, mbufSize: 2176 }],
  }),
]);
const ask = (text: string) => table.answer(text).value;
let ports: Port[] = [];

beforeEach(() => {
  ports = [openPort('net_null0', { rxQueues: 2, txQueues: 1 }), openPort('net_null1')];
});
afterEach(() => {
  for (const port of ports) port.close();
});

describe('/ethdev', () => {
  it('has the keys of DPDK, in its order', () => {
    expect(ask('/ethdev/list')).toEqual([0, 1]);
    expect(Object.keys(ask('/ethdev/stats,0') as object)).toEqual([
      ...['ipackets', 'opackets', 'ibytes', 'obytes', 'imissed', 'ierrors', 'oerrors', 'rx_nombuf'],
      ...['q_ipackets', 'q_opackets', 'q_ibytes', 'q_obytes', 'q_errors'],
    ]);
    expect(ask('/ethdev/link_status,1')).toEqual({ status: 'UP', speed: 10_000, duplex: 'full-duplex' });
    expect(ask('/ethdev/info,0')).toMatchObject({
      name: 'net_null0',
      nb_rx_queues: 2,
      rxq_state: [1, 1],
      txq_state: [1],
      tx_offloads: ['UDP_CKSUM', 'TCP_CKSUM', 'TCP_TSO', 'UDP_TSO'],
    });
    expect(ask('/ethdev/macs,0')).toEqual(['02:6E:75:6C:6C:00']);
  });

  it('reads parameters as DPDK does', () => {
    for (const good of ['0', '1 ', '01', '0x1', '1junk', '0,1'])
      expect(ask(`/ethdev/stats,${good}`)).toBeTruthy();
    for (const bad of ['', '9', 'x', '-1', '65536']) expect(ask(`/ethdev/stats,${bad}`)).toBeNull();
    expect(Object.keys(ask('/ethdev/xstats,0') as object)).toContain('rx_q1_packets');
    expect(ask('/ethdev/xstats,0,hide_zero=true')).toEqual({});
    expect(Object.keys(ask('/ethdev/xstats,0,hide_zero=1') as object).length).toBeGreaterThan(5);
  });

  it('names a queue where the port has several', () => {
    expect(ask('/ethdev/rx_queue,0')).toBeNull();
    expect(ask('/ethdev/rx_queue,0,2')).toBeNull();
    expect(ask('/ethdev/rx_queue,0,1')).toMatchObject({ mempool_name: 'mb_pool_0', queue_state: 1 });
    expect(ask('/ethdev/tx_queue,0')).toMatchObject({ queue_state: 1, nb_desc: 0 });
  });

  it('answers null for a port that is closed meanwhile', () => {
    ports[1]?.close();
    expect(ask('/ethdev/info,1')).toBeNull();
    expect(ask('/ethdev/list')).toEqual([0]);
  });
});

describe('/eal and /mempool', () => {
  it('have the shapes of DPDK', () => {
    expect(ask('/eal/params')).toEqual(['a']);
    expect(ask('/eal/app_params')).toEqual(['-i']);
    expect(ask('/eal/lcore/list')).toEqual([0, 1]);
    expect(ask('/eal/lcore/info,0')).toEqual({ lcore_id: 0, socket: 0, role: 'RTE', cpuset: [0, 1] });
    expect(ask('/eal/lcore/info,1')).toMatchObject({
      total_cycles: 3000,
      busy_cycles: 1000,
      usage_ratio: '33.33%',
    });
    expect(ask('/eal/lcore/info,1x')).toBeNull();
    expect(ask('/eal/lcore/usage')).toEqual({
      lcore_ids: [1],
      total_cycles: [3000],
      busy_cycles: [1000],
      usage_ratio: ['33.33%'],
    });
    expect(ask('/mempool/list')).toEqual(['mb_pool_0']);
    expect(ask('/mempool/info,mb_pool_0')).toMatchObject({ name: 'mb_pool_0', size: 4858, elt_size: 2176 });
    expect(ask('/mempool/info')).toBeNull();
    expect(ask('/eal/memzone_list')).toBeNull();
  });

  it('keep the limits of DPDK: helps below 128 characters', () => {
    for (const name of ask('/') as string[])
      expect(Object.values(ask(`/help,${name}`) as object)[0].length).toBeLessThan(128);
  });
});

describe('metrics', () => {
  const get = (address: string, path: string, method = 'GET') =>
    new Promise<{ status?: number; type?: string; body: string }>((resolve, reject) => {
      const [host, port] = address.split(':');
      request({ host, port, path, method, agent: false }, (response) => {
        let body = '';
        response.on('data', (data) => {
          body += data;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode, type: response.headers['content-type'], body }),
        );
      })
        .on('error', reject)
        .end();
    });

  it('are served on loopback, and nothing else is', async () => {
    const server = await MetricsServer.open({ host: '127.0.0.1', port: 0 }, portMetrics);
    const page = await get(server.address, '/metrics');
    expect(page.type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(page.body).toContain('dpdk_port_rx_packets_total{port="0",name="net_null0"} 0\n');
    expect(page.body).toMatch(/\n# EOF\n$/);
    expect((await get(server.address, '/')).status).toBe(404);
    expect((await get(server.address, '/metrics', 'POST')).status).toBe(405);
    const taken = parseMetricsAddress(server.address) ?? { host: '', port: 0 };
    await expect(MetricsServer.open(taken, portMetrics)).rejects.toThrow(
      /^Failed to serve metrics on 127\.0\.0\.1:\d+: listen EADDRINUSE: address already in use$/,
    );
    server.close();
  });

  it('regression: an address that no interface has is refused with what to do', async () => {
    // RFC 5737: nobody's.
    await expect(MetricsServer.open({ host: '192.0.2.1', port: 0 }, () => '')).rejects.toThrow(
      /^Failed to serve metrics on 192\.0\.2\.1:0: .*EADDRNOTAVAIL.*; no interface that is up has this address$/,
    );
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
      expect(addressAdvice(host)).toBe("is the loopback interface down? 'ip link set lo up'");
  });

  it('describe each family once, before its samples', () => {
    const lines = portMetrics().trimEnd().split('\n');
    const families = lines
      .filter((line) => line.startsWith('# TYPE'))
      .map((line) => line.split(' ')[2] ?? '');
    expect(new Set(families).size).toBe(families.length);
    let current = '';
    for (const line of lines) {
      if (line.startsWith('# TYPE')) current = line.split(' ')[2] ?? '';
      if (!line.startsWith('#'))
        expect(line).toMatch(new RegExp(`^${current}(_total)?\\{[^}]+\\} -?[\\d.e+]+$`));
    }
  });

  it.each([
    ['9464', { host: '127.0.0.1', port: 9464 }],
    ['0.0.0.0:1', { host: '0.0.0.0', port: 1 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['x', null],
    ['1:', null],
    ['70000', null],
  ])('%s is an address, or none', (text, address) => {
    expect(parseMetricsAddress(text)).toEqual(address);
  });
});
