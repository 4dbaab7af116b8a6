// SPDX-License-Identifier: BSD-3-Clause
// Who keeps a place of a socket when there are more clients than places.
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { native } from '../native.ts';
import { MetricsServer } from './metrics-server.ts';
import { TelemetryServer } from './server.ts';
import { greeted, runtimeDirectory, TestClient } from './telemetry.test-help.ts';

const PLACES = 10;

/** Milliseconds by which the clock is ahead. */
let later = 0;
beforeEach(() => {
  later = 0;
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + later);
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe('the telemetry socket', () => {
  runtimeDirectory();
  let server: TelemetryServer;
  const clients: TestClient[] = [];

  beforeEach(() => {
    const commands = [
      { name: '/echo', help: 'Returns its parameters', answer: (text?: string) => text },
      { name: '/many', help: 'Returns many', answer: () => new Array<string>(16).fill('x'.repeat(999)) },
    ];
    server = new TelemetryServer({ commands });
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
    server.close();
  });

  async function come(): Promise<TestClient> {
    const client = await greeted(server.path);
    clients.push(client);
    return client;
  }

  const isServed = async (client: TestClient) => (await client.ask('/echo,1').catch(() => 'closed')) === '1';

  /** As many as there are places, each of which has asked. */
  async function all(): Promise<TestClient[]> {
    const came: TestClient[] = [];
    while (came.length < PLACES) came.push(await come());
    for (const client of came) expect(await isServed(client)).toBe(true);
    return came;
  }

  it('regression: is not held by those who only connect, and the first that came gives way', async () => {
    const idle: TestClient[] = [];
    while (idle.length < PLACES) idle.push(await come());
    const next = await come();
    expect(await isServed(next)).toBe(true);
    expect(await idle[0]?.read()).toBe('');
    for (const client of idle.slice(1)) expect(await isServed(client)).toBe(true);
  });

  it('closes the eleventh without a greeting while all have asked within five seconds', async () => {
    const came = await all();
    later += 4000;
    const eleventh = new TestClient(server.path);
    clients.push(eleventh);
    expect(await eleventh.read()).toBe('');
    for (const client of came) expect(await isServed(client)).toBe(true);
  });

  it('regression: gives a newcomer the place of who has asked nothing for longest', async () => {
    const came = await all();
    later += 5001;
    for (const client of came.filter((_, i) => i !== 6)) expect(await isServed(client)).toBe(true);
    await come();
    expect(await came[6]?.read()).toBe('');
    for (const client of came.filter((_, i) => i !== 6)) expect(await isServed(client)).toBe(true);
  });

  it('regression: is not held by those who ask and read nothing', async () => {
    const came = await all();
    for (const { fd } of came)
      while (native.sendMessage(fd, Buffer.from('/many'), []) > 0) await new Promise(setImmediate);
    later += 5001;
    expect(await isServed(await come())).toBe(true);
  });

  it('regression: serves who asks among 500 who only connect', async () => {
    for (let i = 0; i < 500; i++) {
      clients.push(new TestClient(server.path));
      if (i % 50 === 49) expect(await isServed(await come())).toBe(true);
    }
  });
});

describe('the page of metrics', () => {
  const MOST = 16;
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  it('regression: is not held by those who only connect, or have asked long ago', async () => {
    const server = await MetricsServer.open({ host: '127.0.0.1', port: 0 }, () => '# EOF\n');
    const port = Number(server.address.split(':')[1]);
    const come = () =>
      new Promise<Socket>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => resolve(socket)).on('error', reject);
        sockets.push(socket);
      });
    const page = async (socket: Socket) => {
      const answer = new Promise<string>((resolve) => {
        socket.once('data', (bytes) => resolve(bytes.toString())).once('close', () => resolve('closed'));
      });
      socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
      return (await answer).split('\r\n')[0];
    };
    try {
      for (let i = 0; i < 3 * MOST; i++) await come();
      for (let i = 0; i < MOST; i++) expect(await page(await come())).toBe('HTTP/1.1 200 OK');
      expect(await page(await come())).toBe('closed');
      later += 5001;
      expect(await page(await come())).toBe('HTTP/1.1 200 OK');
    } finally {
      server.close();
    }
  });
});
