// SPDX-License-Identifier: BSD-3-Clause
// The socket as DPDK's clients use it, and as hostile ones do.
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { native } from '../native.ts';
import { packageVersion } from '../package-root.ts';
import { TelemetryServer } from './server.ts';
import { prefixFault, runtimeFolder } from './socket-path.ts';
import { greeted, runtimeDirectory, TestClient } from './telemetry.test-help.ts';

const runtime = runtimeDirectory();
const servers: TelemetryServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

function serve(prefix?: string): TelemetryServer {
  const commands = [
    { name: '/echo', help: 'Returns its parameters', answer: (text?: string) => text },
    { name: '/many', help: 'Returns many', answer: () => new Array<string>(1000).fill('x'.repeat(999)) },
    {
      name: '/throw',
      help: 'Throws',
      answer: () => {
        throw new Error('no');
      },
    },
  ];
  const server = new TelemetryServer({ ...(prefix === undefined ? {} : { prefix }), commands });
  servers.push(server);
  return server;
}

describe('the telemetry socket', () => {
  it('greets, and lists, describes and answers its commands', async () => {
    const server = serve();
    expect(server.path).toBe(join(runtime.path, 'dpdk/rte/dpdk_telemetry.v2'));
    const client = new TestClient(server.path);
    const info = { version: `vhost-pci-pmd ${packageVersion()}`, pid: process.pid, max_output_len: 16_384 };
    expect(JSON.parse(await client.read())).toEqual(info);
    expect(await client.ask('/')).toEqual(['/', '/echo', '/help', '/info', '/many', '/throw']);
    expect(await client.ask('/info')).toEqual(info);
    expect(await client.ask('/help,/echo')).toEqual({ '/echo': 'Returns its parameters' });
    expect(await client.ask('/help')).toBe('Returns help text for a command. Parameters: string command');
    expect(await client.ask('/help,')).toBe(await client.ask('/help'));
    expect(await client.ask('/echo,a,b')).toBe('a,b');
    client.close();
  });

  it.each([
    ['/help,/nope', '/help'],
    ['/nope', '/nope'],
    ['hello', 'hello'],
    ['/throw,1', '/throw'],
    [',', 'none'],
    ['/ "', '/ "'],
    [`/${'x'.repeat(100)}`, `/${'x'.repeat(55)}`],
  ])('answers null to %s', async (request, key) => {
    const client = await greeted(serve().path);
    expect(await client.ask(request, key)).toBeNull();
    client.close();
  });

  it('leaves out of a reply what does not fit, and the rest is JSON', async () => {
    const client = await greeted(serve().path);
    expect(await client.ask('/many')).toHaveLength(16);
    client.close();
  });

  it('is closed by an empty message', async () => {
    const client = await greeted(serve().path);
    native.unixShutdown(client.fd);
    expect(await client.read()).toBe('');
    client.close();
  });

  it('has a number for each further process, and takes the place of a dead one', () => {
    const [first, second] = [serve('a b'), serve('a b')];
    expect([first.path, second.path].map((path) => path.slice(path.lastIndexOf('/') + 1))).toEqual([
      'dpdk_telemetry.v2',
      'dpdk_telemetry.v2:1',
    ]);
    native.close(native.unixListen(join(runtime.path, 'dpdk/a b/dpdk_telemetry.v2:2'), {}, true));
    expect(serve('a b').path).toMatch(/:2$/);
    first.close();
    expect(serve('a b').path).toBe(first.path);
    for (const server of servers) server.close();
    expect(readdirSync(join(runtime.path, 'dpdk'))).toEqual([]);
  });

  it('leaves a folder in which there is something else', () => {
    const server = serve();
    const other = join(dirname(server.path), 'config');
    writeFileSync(other, '');
    server.close();
    expect(existsSync(other)).toBe(true);
  });

  it('makes the folder again when the last process of the prefix takes it with it meanwhile', () => {
    const listen = native.unixListen.bind(native);
    const spy = vi.spyOn(native, 'unixListen').mockImplementationOnce((path, ...rest) => {
      rmdirSync(dirname(path));
      return listen(path, ...rest);
    });
    expect(existsSync(serve().path)).toBe(true);
    spy.mockRestore();
  });

  it('says where it cannot be', () => {
    mkdirSync(join(runtime.path, 'dpdk'));
    writeFileSync(join(runtime.path, 'dpdk/file'), '');
    expect(() => serve('file')).toThrow(/^Failed to (create|use) .*dpdk\/file: /);
    expect(prefixFault('../x')).toMatch(/is no name of a folder/);
    expect(prefixFault('x'.repeat(100))).toMatch(/at most 107 bytes/);
    expect(prefixFault('rte')).toBeNull();
  });

  it('is where DPDK looks', () => {
    const env = { XDG_RUNTIME_DIR: '/run/user/1' };
    expect(runtimeFolder('rte', {}, 0)).toBe('/var/run/dpdk/rte');
    expect(runtimeFolder('rte', env, 0)).toBe('/var/run/dpdk/rte');
    expect(runtimeFolder('p', env, 1)).toBe('/run/user/1/dpdk/p');
    expect(runtimeFolder('p', {}, 1)).toBe('/tmp/dpdk/p');
    expect(runtimeFolder('p', { RUNTIME_DIRECTORY: '/x' }, 0)).toBe('/x/dpdk/p');
  });
});

describe('the socket before version 2', () => {
  const legacy = {
    ports: () => [
      {
        port: 0,
        stats: [
          { name: 'rx_good_packets', value: 7 },
          { name: 'rx_errors', value: 1 },
        ],
      },
    ],
    global: () => [{ name: 'avg_latency_ns', value: 5 }],
  };
  const open = () => {
    const server = new TelemetryServer({ commands: [], legacy });
    servers.push(server);
    return join(runtime.path, 'dpdk/rte/telemetry');
  };

  it('connects back to a client that names its socket, as collectd does', async () => {
    const path = open();
    const own = join(runtime.path, 'client');
    const listening = native.unixListen(own, {}, true);
    const sender = new TestClient(path);
    sender.send(`{"action":1,"command":"clients","data":{"client_path":"${own}"}}`);
    let fd = -1;
    await expect.poll(() => (fd = native.unixAccept(listening))).toBeGreaterThan(0);
    const client = TestClient.of(fd);
    client.send('{"action":0,"command":"ports_all_stat_values","data":null}');
    expect(await client.read()).toBe(
      '{"status_code": "Status OK: 200", "data": [{"port":0,"stats":[{"name":"rx_good_packets","value":7},{"name":"rx_errors","value":1}]}]}',
    );
    client.send('{"action":0,"command":"global_stat_values","data":null}');
    expect(JSON.parse(await client.read())).toEqual({
      status_code: 'Status OK: 200',
      data: [{ port: -1, stats: [{ name: 'avg_latency_ns', value: 5 }] }],
    });
    sender.send(`{"action":2,"command":"clients","data":{"client_path":"${own}"}}`);
    for (const one of [client, sender]) one.close();
    native.close(listening);
  });

  it.each([
    [['rx_errors'], [{ name: 'rx_errors', value: 1 }]],
    [[], legacy.ports()[0]?.stats],
  ])('answers for statistics by their names: %j', async (stats, values) => {
    const client = new TestClient(open());
    client.send(
      JSON.stringify({ action: 0, command: 'ports_stats_values_by_name', data: { ports: [0], stats } }),
    );
    expect(JSON.parse(await client.read())).toEqual({
      status_code: 'Status OK: 200',
      data: [{ port: 0, stats: values }],
    });
    client.close();
  });

  const register = (path: string) => `{"action":1,"command":"clients","data":{"client_path":"${path}"}}`;
  const openSockets = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
      } catch {
        return false;
      }
    }).length;

  it.each([
    ['itself', 'telemetry'],
    ['the socket of version 2', 'dpdk_telemetry.v2'],
    ['a link to itself', 'link'],
  ])('does not connect to %s', async (_, name) => {
    const path = open();
    symlinkSync(path, join(runtime.path, 'dpdk/rte/link'));
    const client = new TestClient(path);
    const before = openSockets();
    for (let i = 0; i < 3; i++) {
      client.send(register(join(runtime.path, 'dpdk/rte', name)));
      expect(JSON.parse(await client.read())).toMatchObject({
        status_code: 'Status Error: Invalid Argument 404',
      });
    }
    await expect.poll(openSockets).toBeLessThanOrEqual(before + 1);
    client.close();
  });

  it('leaves whoever it connected to and who makes no requests: two servers would answer each other', async () => {
    const path = open();
    const own = join(runtime.path, 'client');
    const listening = native.unixListen(own, {}, true);
    const sender = new TestClient(path);
    sender.send(register(own));
    let fd = -1;
    await expect.poll(() => (fd = native.unixAccept(listening))).toBeGreaterThan(0);
    const client = TestClient.of(fd);
    client.send('{"version":"DPDK 24.11.0","pid":1,"max_output_len":16384}');
    expect(await client.read()).toBe('');
    for (const one of [client, sender]) one.close();
    native.close(listening);
  });

  const named = (data: string) => `{"action":0,"command":"ports_stats_values_by_name","data":${data}}`;
  it.each([
    [named('null'), 'Invalid Argument 404'],
    [named('{"ports":[1],"stats":[]}'), 'Invalid Argument 404'],
    [named('{"ports":[0],"stats":["nope"]}'), 'Invalid Argument 404'],
    [named('{"ports":[],"stats":[]}'), 'Invalid Argument 404'],
    [named('{"ports":0,"stats":[]}'), 'Invalid Argument 404'],
    [named('[[]]'), 'Invalid Argument 404'],
    ['x', 'Unknown'],
    ['[]', 'Unknown'],
    ['{"action":0,"command":"nope","data":null}', 'Invalid Argument 404'],
    ['{"action":0,"command":"ports_all_stat_values","data":{}}', 'Invalid Argument 404'],
    ['{"action":1,"command":"clients","data":{"client_path":"/nowhere"}}', 'Invalid Argument 404'],
    ['{"action":1,"command":"clients","data":null}', 'Invalid Argument 404'],
    ['{}', 'Invalid Argument 404'],
  ])('refuses %s', async (request, cause) => {
    const client = new TestClient(open());
    client.send(request);
    expect(JSON.parse(await client.read())).toEqual({ status_code: `Status Error: ${cause}`, data: null });
    client.close();
  });
});

describe('a hostile client', () => {
  it('sends a thousand requests of any bytes and sizes, and each is answered with JSON', async () => {
    const { path } = serve();
    const client = await greeted(path);
    const requests = fc.sample(
      fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 2000 }),
        fc.string({ minLength: 1, maxLength: 80 }).map((text) => Buffer.from(`/${text}`)),
        fc.json().map((text) => Buffer.from(`/echo,${text}`)),
      ),
      1000,
    );
    for (const request of requests) {
      client.send(request);
      expect(Object.keys(JSON.parse(await client.read()))).toHaveLength(1);
    }
    expect(await client.ask('/echo,alive')).toBe('alive');
    client.close();
  });

  it('reads nothing: its requests wait, others are served, and it is forgotten when it goes', async () => {
    const { path } = serve();
    const silent = new TestClient(path);
    let sent = 0;
    for (let i = 0; i < 2000; i++) {
      sent += native.sendMessage(silent.fd, Buffer.from('/many'), []) > 0 ? 1 : 0;
      if (i % 50 === 0) {
        const other = await greeted(path);
        expect(await other.ask('/echo,x')).toBe('x');
        other.close();
      }
    }
    expect(sent).toBeLessThan(2000);
    silent.close();
    const fds = () => readdirSync('/proc/self/fd').length;
    await expect.poll(async () => (await greeted(path)).ask('/echo,y')).toBe('y');
    expect(fds()).toBeLessThan(200);
  });

  it('connects and goes, a thousand times', async () => {
    const { path } = serve();
    for (let i = 0; i < 1000; i++) new TestClient(path).close();
    await expect.poll(async () => (await greeted(path)).ask('/echo,z').catch(() => '')).toBe('z');
  });

  it('passes descriptors, which are closed', async () => {
    const client = await greeted(serve().path);
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 50; i++) {
      native.sendMessage(client.fd, Buffer.from('/echo,f'), [client.fd]);
      await client.read();
    }
    expect(readdirSync('/proc/self/fd').length).toBe(before);
    client.close();
  });

  it('passes files in a queue of messages, and none stays open', async () => {
    const client = await greeted(serve().path);
    const file = openSync('/dev/null', 'r');
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 9; i++) {
      native.sendMessage(client.fd, Buffer.from('/echo,f'), new Array<number>(64).fill(file));
    }
    for (let i = 0; i < 9; i++) await client.read();
    expect(readdirSync('/proc/self/fd').length).toBe(before);
    closeSync(file);
    client.close();
  });

  it('finds no socket after the process has closed it', () => {
    const server = serve();
    server.close();
    server.close();
    expect(existsSync(server.path)).toBe(false);
  });
});
