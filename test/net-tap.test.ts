// SPDX-License-Identifier: BSD-3-Clause
// net_tap against two kernels, each in its own network namespace: packets that leave one through a tap are
// forwarded to the other, by hand or by testpmd.
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPort } from '../src/drivers/registry.ts';
import { openRxQueue, openTxQueue } from '../src/drivers/table.ts';
import { MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, MBUF_F_USO, Mempool } from '../src/ethdev/mempool.ts';
import { ALL_OFFLOADS } from '../src/ethdev/offloads.ts';
import type { Port, TxQueue } from '../src/ethdev/port.ts';
import { interfaceName, Namespace, tapMissing, tapUsoMissing } from './support/netns.ts';
import { PlainPeer } from './support/plain-peer.ts';
import { ROOT } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';
import { Prompt } from './support/prompt.ts';

const BYTES = 8 << 20;
const TRANSFER = [process.execPath, join(ROOT, 'test/support/tcp-transfer.mjs')];
const DATAGRAMS = ['python3', join(ROOT, 'test/support/udp-segments.py')];

let left: Namespace;
let right: Namespace;

const setUp = () => {
  [left, right] = [new Namespace(), new Namespace()];
};
const tearDown = () => {
  left.close();
  right.close();
};

/** Runs both ends of a transfer and returns their digests. */
async function ends(
  from: Namespace,
  to: Namespace,
  program: readonly string[],
  ...send: string[]
): Promise<string[]> {
  const receiver = to.start(...program, 'receive', '5001');
  let got = '';
  receiver.stdout?.setEncoding('utf8').on('data', (text: string) => {
    got += text;
  });
  const ended = once(receiver, 'close');
  while (!got.includes('listening')) await once(receiver.stdout as NodeJS.ReadableStream, 'data');
  const sent = await from.runAsync(...program, 'send', ...send);
  await ended;
  return [sent.trim(), got.replace('listening', '').trim()];
}

/** Sends 8 MiB through TCP and returns both ends' digests. */
const transfer = (from: Namespace, to: Namespace, host: string, seed: number): Promise<string[]> =>
  ends(from, to, TRANSFER, host, '5001', String(BYTES), String(seed));

/**
 * Forwards between two ports until `until` settles, from their own TX queues or others, and reports what it
 * saw.
 */
async function forward(
  ports: readonly Port[],
  until: Promise<unknown>,
  tx: readonly TxQueue[] = ports.map((port) => openTxQueue(port.txQueueSpec(0))),
) {
  const pool = new Mempool({ count: 2048, hugepages: false });
  const pkts = pool.vector(32);
  const rx = ports.map((port) => openRxQueue(port.rxQueueSpec(0)));
  const seen = { flags: 0, longest: 0, gsoSizes: new Set<number>() };
  let done = false;
  const finished = until.finally(() => {
    done = true;
  });
  while (!done) {
    for (const side of [0, 1]) {
      const n = rx[side].burst(pkts, 32);
      for (const mbuf of pkts.ids.subarray(0, n)) {
        seen.flags |= pool.olFlags[mbuf];
        seen.longest = Math.max(seen.longest, pool.pktLen[mbuf]);
        if ((pool.olFlags[mbuf] & (MBUF_F_TSO4 | MBUF_F_USO)) !== 0) seen.gsoSizes.add(pool.gsoSize[mbuf]);
      }
      const sent = tx[1 - side].burst(pkts, 0, n);
      pool.free(pkts, sent, n);
    }
    await new Promise(setImmediate);
  }
  await finished;
  const leaked = pool.count - pool.available;
  pool.close();
  return { ...seen, leaked };
}

describe.skipIf(tapMissing())('two kernels connected by two taps in one process', () => {
  let ports: Port[];

  beforeEach(setUp);
  afterEach(() => {
    for (const port of ports) port.close();
    tearDown();
  });

  const join2 = (devargs: string, mtu: number) => {
    const names = [interfaceName(), interfaceName()];
    ports = names.map((iface, i) => openPort(`net_tap${i},iface=${iface}${devargs}`));
    for (const port of ports) port.setRxOffloads?.(ALL_OFFLOADS);
    left.adopt(names[0], '10.99.0.1/24', mtu);
    right.adopt(names[1], '10.99.0.2/24', mtu);
  };

  const bothWays = async () => [
    await transfer(left, right, '10.99.0.2', 1),
    await transfer(right, left, '10.99.0.1', 2),
  ];

  it.each([
    ['with all offloads', '', 1500],
    ['with all offloads', '', 9000],
    ['with checksum offload only', ',tso=0', 1500],
    ['without offloads', ',csum=0', 1500],
    ['without offloads', ',csum=0', 9000],
  ])('pass TCP unchanged both ways, %s%s, MTU %i', async (_, devargs, mtu) => {
    join2(devargs, mtu);
    const transfers = bothWays();
    const seen = await forward(ports, transfers);
    for (const [sent, received] of await transfers) expect(received).toBe(sent);
    expect(seen.leaked).toBe(0);
    const csum = !devargs.includes('csum=0');
    const tso = csum && !devargs.includes('tso=0');
    expect((seen.flags & MBUF_F_NEEDS_CSUM) !== 0).toBe(csum);
    expect((seen.flags & MBUF_F_TSO4) !== 0).toBe(tso);
    if (tso) {
      // Segments that fill the MTU are still uncut: less 20 bytes of IP, and 20 of TCP with its options.
      expect(Math.max(...seen.gsoSizes)).toBeLessThanOrEqual(mtu - 40);
      expect(Math.min(...seen.gsoSizes)).toBeGreaterThanOrEqual(mtu - 80);
      expect(seen.longest).toBeGreaterThan(mtu + 14);
    } else {
      expect(seen.longest).toBe(mtu + 14);
    }
    for (const port of ports) expect(port.stats()).toMatchObject({ ierrors: 0, oerrors: 0, rxNombuf: 0 });
  });

  const passDatagrams = async (devargs: string, whole: boolean) => {
    join2(devargs, 1500);
    const offered = ports.every(({ info }) =>
      String(info.details['Offloads of received packets']).includes('uso'),
    );
    const transfers = (async () => [
      await ends(left, right, DATAGRAMS, '10.99.0.2', '5001'),
      await ends(right, left, DATAGRAMS, '10.99.0.1', '5001'),
    ])();
    const seen = await forward(ports, transfers);
    for (const [sent, received] of await transfers) expect(received).toBe(sent);
    expect(offered).toBe(whole);
    expect((seen.flags & MBUF_F_USO) !== 0).toBe(whole);
    // 1200 bytes of each datagram after 42 of headers.
    expect([...seen.gsoSizes]).toEqual(whole ? [1200] : []);
    if (whole) expect(seen.longest).toBeGreaterThan(40_000);
    else expect(seen.longest).toBe(1242);
    expect(seen.leaked).toBe(0);
    for (const port of ports) expect(port.stats()).toMatchObject({ ierrors: 0, oerrors: 0, rxNombuf: 0 });
  };
  const noPython = programMissing('python3', 'python3', 'tests of UDP segmentation');

  it.skipIf(noPython || tapUsoMissing())(
    'pass datagrams of UDP_SEGMENT unchanged both ways, in large pieces',
    () => passDatagrams('', true),
  );

  it.skipIf(noPython)('pass datagrams of UDP_SEGMENT unchanged both ways, cut by the sender, tso=0', () =>
    passDatagrams(',tso=0', false),
  );

  describe('with a peer in between that has negotiated no offloads', () => {
    let peers: PlainPeer[];
    const joinThroughPeers = () => {
      join2('', 1500);
      peers = [1, 0].map((to) => new PlainPeer(openTxQueue(ports[to].txQueueSpec(0))));
      return [peers[1], peers[0]];
    };
    const expectAllPassed = () => {
      for (const peer of peers) {
        const { sent, received, errors, longest, lost } = peer.close();
        expect([received, errors, lost]).toEqual([sent, 0, 0]);
        expect(longest).toBe(1514);
      }
      for (const port of ports) expect(port.stats()).toMatchObject({ ierrors: 0, oerrors: 0, rxNombuf: 0 });
    };

    it('pass TCP unchanged both ways: what one kernel leaves uncut reaches the other segmented and with checksums', async () => {
      const tx = joinThroughPeers();
      const transfers = bothWays();
      const seen = await forward(ports, transfers, tx);
      for (const [sent, received] of await transfers) expect(received).toBe(sent);
      expect(seen.flags & (MBUF_F_NEEDS_CSUM | MBUF_F_TSO4)).toBe(MBUF_F_NEEDS_CSUM | MBUF_F_TSO4);
      expect(seen.longest).toBeGreaterThan(20_000);
      expect(seen.leaked).toBe(0);
      expectAllPassed();
    });

    it.skipIf(programMissing('python3', 'python3', 'tests of UDP segmentation') || tapUsoMissing())(
      'pass datagrams of UDP_SEGMENT unchanged both ways',
      async () => {
        const tx = joinThroughPeers();
        const transfers = (async () => [
          await ends(left, right, DATAGRAMS, '10.99.0.2', '5001'),
          await ends(right, left, DATAGRAMS, '10.99.0.1', '5001'),
        ])();
        const seen = await forward(ports, transfers, tx);
        for (const [sent, received] of await transfers) expect(received).toBe(sent);
        expect(seen.flags & MBUF_F_USO).toBe(MBUF_F_USO);
        expect(seen.longest).toBeGreaterThan(40_000);
        expect(seen.leaked).toBe(0);
        for (const peer of peers) expect(peer.close()).toMatchObject({ errors: 0, lost: 0, longest: 1242 });
      },
    );
  });

  it('switch to fewer offloads while packets flow', async () => {
    join2('', 1500);
    const transfers = (async () => {
      const first = await transfer(left, right, '10.99.0.2', 1);
      for (const port of ports) port.setRxOffloads?.(0);
      return [first, await transfer(left, right, '10.99.0.2', 2)];
    })();
    await forward(ports, transfers);
    for (const [sent, received] of await transfers) expect(received).toBe(sent);
    expect(ports[0].info.details).toMatchObject({ 'Offloads of received packets': 'none' });
  });
});

describe.skipIf(tapMissing())('testpmd with net_tap', () => {
  let prompt: Prompt;
  const start = async (args: readonly string[]) => {
    prompt = new Prompt(args);
    await prompt.prints('testpmd> ');
  };

  beforeEach(setUp);
  afterEach(async () => {
    await prompt.kill();
    tearDown();
  });

  it('answers the kernel in mode icmpecho: 1000 pings, none lost', async () => {
    const iface = interfaceName();
    await start(['--vdev', `net_tap0,iface=${iface}`, '--', '-i', '--forward-mode=icmpecho', '-a']);
    left.adopt(iface, '10.99.0.1/24');
    // Each ping is sent when the previous one is back, so that no queue overflows on a slow machine.
    const ping = (...args: string[]) => left.runAsync('ping', '-q', '-A', ...args);
    expect(await ping('-c', '1000', '10.99.0.2')).toContain(
      '1000 packets transmitted, 1000 received, 0% packet loss',
    );
    expect(await ping('-c', '20', '-s', '1472', '10.99.0.77')).toContain(' 20 received, 0% packet loss');
    left.ip('link', 'set', iface, 'mtu', '9000');
    expect(await ping('-c', '20', '-s', '8972', '10.99.0.2')).toContain(' 20 received, 0% packet loss');
    expect(await prompt.say('show port info 0')).toContain(`Interface: ${iface}`);
  });

  it('uses the offloads common to the ports that it forwards between', async () => {
    const names = [interfaceName(), interfaceName(), interfaceName(), interfaceName()];
    const vdevs = names.map((iface, i) => `net_tap${i},iface=${iface}${i === 3 ? ',tso=0' : ''}`);
    await start([...vdevs.flatMap((vdev) => ['--vdev', vdev]), '--', '-i', '-a']);
    const info = await prompt.say('show device info all');
    const offloads = [...info.matchAll(/Offloads of received packets: ([a-z0-9 ]+)/g)].map(
      (match) => match[1],
    );
    expect(offloads[0]).toMatch(/^csum tso4 tso6 ecn/);
    expect(offloads.slice(1)).toEqual([offloads[0], offloads[0], 'csum']);
    left.adopt(names[0], '10.99.0.1/24');
    right.adopt(names[1], '10.99.0.2/24');
    const [sent, received] = await transfer(left, right, '10.99.0.2', 3);
    expect(received).toBe(sent);
    const long = /rx_q0_size_1519_max_packets: (\d+)/.exec(await prompt.say('show port xstats 0'));
    expect(Number(long?.[1])).toBeGreaterThan(0);
    expect(await prompt.say('stop')).toMatch(/TX-dropped: 0 [\s\S]*Done\./);
  });

  it('regression: forward statistics do not go negative when a port has fewer queues', async () => {
    await start(['--vdev', 'net_tap0', '--', '-i', '--forward-mode=txonly', '--rxq=2', '--txq=2']);
    const sent = async (command: string) => {
      const text = await prompt.say(command);
      expect(text).not.toMatch(/-\d/);
      return Number(/TX-packets: (\d+)/.exec(text.slice(text.lastIndexOf('Forward statistics')))?.[1]);
    };
    const run = async () => {
      await prompt.say('start');
      for (let before = await sent('show fwd stats all'); ; )
        if ((await sent('show fwd stats all')) > before + 1000) break;
      return sent('stop');
    };
    const total = (await run()) + (await run());
    const last = await sent('show fwd stats all');
    await prompt.say('port stop 0');
    for (const queues of ['rxq', 'txq']) await prompt.say(`port config all ${queues} 1`);
    expect(await sent('show fwd stats all')).toBe(last);
    await prompt.say('port start 0');
    expect(await sent('show fwd stats all')).toBe(last);
    expect(await prompt.say('show port stats 0')).toContain(`TX-packets: ${total} `);
    await prompt.say('clear port stats 0');
    expect(await sent('show fwd stats all')).toBe(0);
    expect(await run()).toBeGreaterThan(1000);
  });

  it('regression: counts packets that the driver accepted and had to drop in TX-dropped', async () => {
    const iface = interfaceName();
    const vdev = `net_tap0,iface=${iface}`;
    await start(['--vdev', vdev, '--', '-i', '--forward-mode=txonly', '--rxq=2', '--txq=2', '-a']);
    const counts = (text: string) =>
      [...text.matchAll(/TX-packets: (\d+) +TX-dropped: (\d+)/g)].map((match) => match.slice(1).map(Number));
    const errors = async () => Number(/TX-errors: (\d+)/.exec(await prompt.say('show port stats 0'))?.[1]);
    expect(await errors()).toBe(0);
    left.adopt(iface, '10.99.0.1/24');
    left.ip('link', 'set', iface, 'down');
    for (let before = await errors(); (await errors()) <= before + 1000; );
    // Two streams, the port, and all ports.
    const [first, second, port, all] = counts(await prompt.say('stop'));
    const dropped = await errors();
    expect(port).toEqual(all);
    expect(port).toEqual([first[0] + second[0], first[1] + second[1]]);
    expect(port[1]).toBeGreaterThanOrEqual(dropped);
    expect(port[0] + dropped).toBeGreaterThan(1000);
    const stats = await prompt.say('show port stats 0');
    expect(stats).toContain(`TX-packets: ${port[0]} `);
    for (const queues of ['rxq', 'txq']) {
      await prompt.say('port stop 0');
      await prompt.say(`port config all ${queues} 1`);
    }
    await prompt.say('port start 0');
    expect(counts(await prompt.say('show fwd stats all'))).toEqual([first, second, port, all]);
    await prompt.say('clear fwd stats all');
    expect(counts(await prompt.say('show fwd stats all')).flat()).toEqual([0, 0, 0, 0]);
  });

  it("sets the kernel's MTU", async () => {
    const iface = interfaceName();
    await start(['--vdev', `net_tap0,iface=${iface}`, '--vdev', 'net_null0', '--', '-i']);
    await prompt.say('port config mtu 0 9000');
    expect(await prompt.say('show port info 0')).toContain('MTU: 9000\n');
    expect(await prompt.say('port config mtu 0 65530')).toContain(
      'MTU (65530) > device max MTU (65521) for port_id 0',
    );
    await prompt.say('port config mtu 1 2000');
    expect(await prompt.say('show port info 1')).toContain('MTU: 2000\n');
    expect(await prompt.say('port config mtu 9 2000')).toContain('Invalid port 9');
  });
});
