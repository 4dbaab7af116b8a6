// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { interfaceName, tapMissing } from '../../../test/support/netns.ts';
import { Mempool } from '../../ethdev/mempool.ts';
import { ALL_OFFLOADS } from '../../ethdev/offloads.ts';
import { native } from '../../native.ts';
import { openPort, ports, probePort } from '../registry.ts';
import { openRxQueue, openTxQueue } from '../table.ts';

const ip = (...args: string[]) => execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' });

afterEach(() => {
  for (const port of ports()) port.close();
});

describe('devargs of net_tap', () => {
  it.each([
    [
      'iface=abcdefghijklmnop',
      'iface=abcdefghijklmnop is too long: interface names have 15 characters at most',
    ],
    ['iface=a/b', 'iface=a/b is not a valid interface name'],
    ['iface=tap%d', 'iface=tap%d is not a valid interface name'],
    ['iface=', 'iface= is not a valid interface name'],
    ['mac=01:00:00:00:00:00', 'mac=01:00:00:00:00:00 is not a unicast MAC address'],
    ['mac=fixed', 'mac=fixed is not a unicast MAC address'],
    ['tso=2', 'tso=2 is not a whole number from 0 to 1'],
    ['remote=eth0', "unknown key 'remote'; it takes iface, mac, persist, csum, tso"],
  ])('%s: %s', (devargs, cause) => {
    expect(() => probePort(`net_tap0,${devargs}`)).toThrow(cause);
  });

  it('create nothing before the port is configured', () => {
    const { info } = probePort('net_tap0,mac=02:00:00:00:00:01');
    expect([info.driver, info.mac, info.mtu, info.details]).toEqual([
      'net_tap',
      '02:00:00:00:00:01',
      1500,
      {},
    ]);
  });

  it('require the same number of queues in both directions, at most 16', () => {
    const port = probePort('net_tap0');
    expect(() => port.configure({ rxQueues: 1, txQueues: 2 })).toThrow(
      'as many RX as TX queues, not 1 and 2',
    );
    expect(() => port.configure({ rxQueues: 17, txQueues: 17 })).toThrow(
      '17 queues requested, it has 1 to 16',
    );
  });
});

describe.skipIf(tapMissing())('an interface of net_tap', () => {
  it('is created with the port, with the requested name and address, and removed with it', () => {
    const name = interfaceName();
    const port = openPort(`net_tap0,iface=${name},mac=02:00:00:00:00:07`);
    expect(ip('link', 'show', name)).toContain('02:00:00:00:00:07');
    expect(port.info).toMatchObject({ mac: '02:00:00:00:00:07', mtu: 1500 });
    expect(port.link()).toEqual({ up: true, speed: 10_000 });
    ip('link', 'set', name, 'down');
    expect(port.link()).toEqual({ up: false, speed: 0 });
    port.close();
    expect(() => ip('link', 'show', name)).toThrow('does not exist');
  });

  it('takes its interface down and up, and fails where the kernel does not let it', () => {
    const name = interfaceName();
    const port = openPort(`net_tap0,iface=${name}`);
    const heard: boolean[] = [];
    port.on('link', ({ up }) => heard.push(up));
    port.setLink?.(false);
    expect(ip('link', 'show', name)).not.toMatch(/[<,]UP[,>]/);
    port.setLink?.(true);
    expect(ip('link', 'show', name)).toMatch(/[<,]UP[,>]/);
    expect(heard).toEqual([false, true]);
    port.setLink?.(false);
    port.stop();
    port.start();
    expect(port.link().up).toBe(true);
    expect(() => port.setLink?.(1 as never)).toThrow('up must be true or false');
    ip('link', 'delete', name);
    expect(() => port.setLink?.(true)).toThrow(/^Failed to set \S+ up: /);
    port.close();
    expect(() => port.setLink?.(true)).toThrow('the port is closed');
  });

  it('gets a free name from the kernel and its own address by default', () => {
    const port = openPort('net_tap0');
    const name = port.info.details.Interface as string;
    expect(name).toMatch(/^dtap\d+$/);
    expect(ip('link', 'show', name).toUpperCase()).toContain(port.info.mac);
  });

  it('remains if it is persistent, and is found again with its address', () => {
    const name = interfaceName();
    openPort(`net_tap0,iface=${name},persist,mac=02:00:00:00:00:08`).close();
    try {
      expect(openPort(`net_tap0,iface=${name}`).info.mac).toBe('02:00:00:00:00:08');
    } finally {
      ip('link', 'delete', name);
    }
  });

  it('is refused with one line if it is in use or not a tap', () => {
    const name = interfaceName();
    openPort(`net_tap0,iface=${name}`);
    // Regression: "Failed to open" was said twice.
    expect(() => openPort(`net_tap1,iface=${name}`)).toThrow(
      new RegExp(
        `^Failed to open the tap interface ${name}: it is already open, here or in another program$`,
      ),
    );
    expect(() => probePort('net_tap2,iface=lo')).toThrow(
      'Failed to open the tap interface lo: it exists and is not a tap; choose another name',
    );
  });

  it('reports its MTU, also after a change from outside', () => {
    const name = interfaceName();
    const port = openPort(`net_tap0,iface=${name}`);
    port.setMtu?.(9000);
    expect(ip('link', 'show', name)).toContain('mtu 9000');
    ip('link', 'set', name, 'mtu', '2000');
    expect(port.info.mtu).toBe(2000);
    expect(() => port.setMtu?.(10)).toThrow(
      `Failed to set the MTU of ${name} to 10: the kernel does not accept it`,
    );
  });

  it('has several queues, and a different number after reconfiguration', () => {
    const port = openPort('net_tap0', { rxQueues: 3, txQueues: 3 });
    expect(port.rxQueueSpec(2)).toMatchObject({ driver: 'net_tap', role: 'rx', queue: 2 });
    port.stop();
    port.configure({ rxQueues: 1, txQueues: 1 });
    port.start();
    expect(() => port.rxQueueSpec(1)).toThrow('there is no queue 1');
    expect(port.link().up).toBe(true);
  });

  it('requests from the kernel the offloads that both sides support, within its devargs', () => {
    const offloads = (devargs: string, wanted: number) => {
      const port = openPort(`net_tap0${devargs}`);
      port.setRxOffloads?.(wanted);
      const text = port.info.details['Offloads of received packets'];
      port.close();
      return text;
    };
    expect(offloads('', ALL_OFFLOADS)).toMatch(/^csum tso4 tso6 ecn/);
    expect(offloads('', 0)).toBe('none');
    expect(offloads(',tso=0', ALL_OFFLOADS)).toBe('csum');
    expect(offloads(',csum=0', ALL_OFFLOADS)).toBe('none');
  });

  it('wakes a sleeping thread as long as a frame is waiting', () => {
    const name = interfaceName();
    const port = openPort(`net_tap0,iface=${name},mac=02:00:00:00:00:09`);
    expect(port.info.rxInterrupts).toBe(true);
    const rx = openRxQueue(structuredClone(port.rxQueueSpec(0)));
    const set = native.waitSetCreate([rx.interrupt?.fd as number]);
    const pool = new Mempool({ count: 64, hugepages: false });
    const pkts = pool.vector(32);
    const waits = () => native.waitSetWait(set, 0, new Uint32Array(1));
    const drain = () => {
      for (let n = 1; n > 0; pool.free(pkts, 0, n)) n = rx.burst(pkts, 32);
    };
    // With a static neighbour, a datagram leaves at once.
    ip('address', 'add', '198.18.7.1/24', 'dev', name);
    ip('neighbour', 'add', '198.18.7.2', 'lladdr', '02:00:00:00:00:0a', 'dev', name);
    drain();
    execFileSync('bash', ['-c', 'echo x > /dev/udp/198.18.7.2/9']);
    expect([rx.interrupt?.arm(), waits(), waits()]).toEqual([true, 1, 1]);
    rx.interrupt?.counters.set([3, 2]);
    expect([port.xstats().get('rx_q0_sleeps'), port.xstats().get('rx_q0_interrupts')]).toEqual([3, 2]);
    port.clearStats();
    expect(port.xstats().get('rx_q0_sleeps')).toBe(0);
    native.waitSetDestroy(set);
    pool.close();
  });

  it('that is deleted under the port neither receives, sends nor throws', () => {
    const name = interfaceName();
    const port = openPort(`net_tap0,iface=${name}`);
    const rx = openRxQueue(port.rxQueueSpec(0));
    const tx = openTxQueue(port.txQueueSpec(0));
    const pool = new Mempool({ count: 64, hugepages: false });
    const pkts = pool.vector(4);
    ip('link', 'delete', name);
    // Packets that the kernel sent before may still be queued.
    for (let i = 0; i < 100; i++) pool.free(pkts, 0, rx.burst(pkts, 4));
    const errors = port.stats().ierrors;
    expect(rx.burst(pkts, 4)).toBe(0);
    expect(port.stats().ierrors).toBe(errors);
    pool.alloc(pkts, 1);
    pool.dataLen[pkts.ids[0]] = 64;
    pool.pktLen[pkts.ids[0]] = 64;
    expect(tx.burst(pkts, 0, 1)).toBe(1);
    expect(port.stats()).toMatchObject({ opackets: 0, oerrors: 1 });
    expect(port.link()).toMatchObject({ up: false, reason: expect.stringContaining('was deleted') });
    port.setRxOffloads?.(ALL_OFFLOADS);
    port.stop();
    expect(() => port.start()).toThrow(expect.objectContaining({ code: 'VPCI_REMOVED' }));
    port.close();
    pool.close();
  });

  it('keeps its counters when it is closed', () => {
    const port = openPort('net_tap0');
    const tx = openTxQueue(port.txQueueSpec(0));
    const pool = new Mempool({ count: 64, hugepages: false });
    const pkts = pool.vector(4);
    pool.alloc(pkts, 2);
    for (const mbuf of pkts.ids.subarray(0, 2)) {
      pool.dataLen[mbuf] = 60;
      pool.pktLen[mbuf] = 60;
    }
    expect(tx.burst(pkts, 0, 2)).toBe(2);
    port.stop();
    pool.alloc(pkts, 1);
    expect(tx.burst(pkts, 0, 1)).toBe(0);
    port.close();
    expect(tx.burst(pkts, 0, 1)).toBe(0);
    expect(port.stats()).toMatchObject({ opackets: 2, obytes: 120 });
    expect(port.xstats().get('tx_q0_undersize_packets')).toBe(2);
    pool.close();
  });
});
