// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, describe, expect, it, vi } from 'vitest';
import { PmdError } from '../errors.ts';
import { formatDevargs, parseDevargs, quoteDevarg } from '../ethdev/devargs.ts';
import { Mempool } from '../ethdev/mempool.ts';
import { nullDriver } from './null/port.ts';
import { openPort, ports, probePort } from './registry.ts';
import { openRxQueue, openTxQueue } from './table.ts';

afterEach(() => {
  for (const port of ports()) port.close();
});

describe('devargs', () => {
  it('consist of a name and pairs', () => {
    const { name, text, values } = parseDevargs('net_x0,path=/a=b,server');
    expect([name, text, [...values]]).toEqual([
      'net_x0',
      'path=/a=b,server',
      [
        ['path', '/a=b'],
        ['server', '1'],
      ],
    ]);
  });

  it('consist of a PCI address and pairs', () => {
    const { name, text } = parseDevargs('00:1F.0,queues=2');
    expect([name, text]).toEqual(['0000:00:1f.0', 'queues=2']);
    expect(() => probePort('ffff:00:04.0,size=3')).toThrow(/unknown key 'size'; it takes path, queues/);
    expect(() => probePort('ffff:00:04.0')).toThrow(
      'Failed to open ffff:00:04.0: there is no such PCI function',
    );
  });

  it('keep commas within brackets, as in DPDK', () => {
    const { values } = parseDevargs('net_x0,a=x[0-1]y[1,3-5,9]z,b=[1,2],c=[,d=]e[f');
    expect([...values]).toEqual([
      ['a', 'x[0-1]y[1,3-5,9]z'],
      ['b', '[1,2]'],
      ['c', '[,d=]e[f'],
    ]);
  });

  it('regression: accept a path with a comma in double quotes', () => {
    const { text, values } = parseDevargs('net_x0,path="/a,b=\\"c\\\\.sock",queues=2,d=e"f');
    expect([...values]).toEqual([
      ['path', '/a,b="c\\.sock'],
      ['queues', '2'],
      ['d', 'e"f'],
    ]);
    expect(text).toBe('path="/a,b=\\"c\\\\.sock",queues=2,d=e"f');
    expect(formatDevargs(values)).toBe(text);
    expect(quoteDevarg('/tmp/x.sock')).toBe('/tmp/x.sock');
    for (const value of ['a,b', '"', '[', 'a b', '\\', '","', ''])
      expect(parseDevargs(`net_x0,k=${quoteDevarg(value)}`).values.get('k')).toBe(value);
  });

  it('are shown as given, including quotes', () => {
    expect(probePort('net_null0,size=100').info.devargs).toBe('size=100');
    const probe = () => probePort('net_vhost_pci0,path="/no/a,b.sock"');
    expect(probe).toThrow('/no/a,b.sock');
  });

  it.each([
    ['net_null0,size="3', 'the quote of size="3 is not closed'],
    ['net_null0,size="3"4,copy=1', `expected a comma after size="3", found '4,copy=1'`],
    ['', "'' is not a device name"],
    ['net_null', "'net_null' is not a device name"],
    ['net_null0,', "'' has no key"],
    ['net_null0,=3', "'=3' has no key"],
    ['net_null0,a#1=3', "'a#1' is not a key"],
  ])('refuse %j', (device, cause) => {
    expect(() => parseDevargs(device)).toThrow(cause);
  });
});

describe('ports', () => {
  it('get the lowest free id', () => {
    const [a, b] = [probePort('net_null7'), probePort('net_null3')];
    expect([a.id, b.id, a.info.name]).toEqual([0, 1, 'net_null7']);
    a.close();
    expect(probePort('net_null9').id).toBe(0);
    expect(ports().map((port) => port.info.name)).toEqual(['net_null9', 'net_null3']);
  });

  it('may be opened again after close, and closed twice', () => {
    const port = openPort('net_null0');
    port.close();
    const again = openPort('net_null0');
    port.close();
    expect(ports()).toEqual([again]);
  });

  it.each([
    ['net_foo0', "no driver 'net_foo'; available: net_vhost_pci, net_ivshmem, net_null"],
    ['net_null0,foo=1', "unknown key 'foo'; it takes size, copy, no-rx, queues"],
    ['net_null0,size=1,size=2', "key 'size' is given twice"],
    ['net_null0,size=x', 'size=x is not a whole number from 14 to 65407'],
    ['net_null0,copy=2', 'copy=2 is not a whole number from 0 to 1'],
  ])('refuse %s', (device, cause) => {
    expect(() => probePort(device)).toThrow(cause);
    expect(ports()).toEqual([]);
  });

  it('have unique names', () => {
    probePort('net_null0');
    expect(() => probePort('net_null0,size=128')).toThrow('device net_null0 already exists');
  });

  it('are limited to 32', () => {
    for (let i = 0; i < 32; i++) probePort(`net_null${i}`);
    expect(() => probePort('net_null32')).toThrow('32 ports are open already');
  });

  it('are closed again if they have too few queues', () => {
    const open = () => openPort('net_null0,queues=2', { rxQueues: 3, txQueues: 1 });
    expect(open).toThrow('Failed to configure net_null0: 3 RX queues requested, the device has 2');
    expect(ports()).toEqual([]);
  });

  it('regression: a failure to open one was two failures in a line', () => {
    const few = () => openPort('net_null0,queues=2', { rxQueues: 3 });
    expect(few).toThrow(/^Failed to configure net_null0: 3 RX queues [^:]*$/);
    const error = new PmdError('VPCI_REMOVED', 'Failed to start port 0: its device is gone');
    const start = vi.spyOn(nullDriver, 'probe').mockImplementation((...device) => {
      start.mockRestore();
      return Object.assign(nullDriver.probe(...device), {
        start() {
          throw error;
        },
      });
    });
    expect(() => openPort('net_null0,size=100')).toThrow(
      expect.objectContaining({
        code: 'VPCI_REMOVED',
        message: "Failed to open 'net_null0,size=100': its device is gone",
        cause: error,
      }),
    );
    expect(ports()).toEqual([]);
  });
});

describe('net_null', () => {
  it.each(['copy=0', 'copy=1'])('receives and sends packets, %s', (copy) => {
    const port = openPort(`net_null0,size=100,${copy}`);
    const pool = new Mempool({ count: 64, hugepages: false });
    const pkts = pool.vector(32);
    expect(openRxQueue(port.rxQueueSpec(0)).burst(pkts, 32)).toBe(32);
    expect([pool.available, pool.pktLen[pkts.ids[31]]]).toEqual([32, 100]);
    expect(openTxQueue(port.txQueueSpec(0)).burst(pkts, 2, 32)).toBe(30);
    pool.free(pkts, 0, 2);
    expect(pool.available).toBe(64);
    expect(port.stats()).toMatchObject({ ipackets: 32, ibytes: 3200, opackets: 30, obytes: 3000 });
    expect(port.xstats().get('tx_q0_packets')).toBe(30);
    port.clearStats();
    expect(port.stats()).toMatchObject({ ipackets: 0, obytes: 0 });
    pool.close();
  });

  it('counts packets for which there was no mbuf', () => {
    const port = openPort('net_null0');
    const pool = new Mempool({ count: 4, hugepages: false });
    expect(openRxQueue(port.rxQueueSpec(0)).burst(pool.vector(8), 8)).toBe(0);
    expect(port.stats().rxNombuf).toBe(8);
    pool.close();
  });

  it('receives nothing with no-rx', () => {
    const port = openPort('net_null0,no-rx=1');
    const pool = new Mempool({ count: 4, hugepages: false });
    expect(openRxQueue(port.rxQueueSpec(0)).burst(pool.vector(4), 4)).toBe(0);
    pool.close();
  });
});
