// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ivshmemDriver } from './driver.ts';

describe('devargs of net_ivshmem', () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  const file = (name: string, bytes = 0x80000) => {
    writeFileSync(at(name), '');
    truncateSync(at(name), bytes);
    return at(name);
  };
  const probe = (args: Record<string, string>, name = 'net_ivshmem0') =>
    ivshmemDriver.probe(0, name, new Map(Object.entries(args)));
  const isBack = (args: Record<string, string>) =>
    ivshmemDriver.isBack?.('net_ivshmem0', new Map(Object.entries(args)));

  beforeEach(() => {
    folder = mkdtempSync('/dev/shm/vpci-devargs-');
    for (const name of ['a', 'b']) file(name);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('open two files, the peer read-only', () => {
    chmodSync(at('b'), 0o444);
    const port = probe({ own: at('a'), peer: at('b'), mac: '02:00:00:00:00:0a' });
    expect(port.info).toMatchObject({ driver: 'net_ivshmem', mac: '02:00:00:00:00:0A', maxRxQueues: 1 });
    expect(port.info).toMatchObject({ rxInterrupts: false, maxRxPktLen: 65_550 });
    expect(port.info.details).toMatchObject({ Carrier: 'files', Memory: `${at('a')} and ${at('b')}` });
    expect(port.link()).toMatchObject({ up: false, reason: 'no peer: no driver has opened the memory yet' });
    port.close();
  });

  it('open both halves of one file, for one port each', () => {
    const ports = ['0', '1'].map((side) => probe({ own: at('a'), side, minimum: '1' }));
    expect(ports[1]?.info.details).toMatchObject({
      Memory: `${at('a')} (half 1)`,
      'Section (bytes)': 0x3f000,
    });
    for (const port of ports) port.start();
    for (const port of [...ports, ...ports, ...ports]) {
      port.stop();
      port.start();
    }
    for (const port of ports) expect(port.link().reason ?? '').not.toMatch(/no peer/);
    for (const port of ports) port.close();
  });

  it.each([
    [{}, /^Failed to probe net_ivshmem0: it needs own=<file or PCI address> and peer=/],
    [{ own: 'a' }, /it needs peer=, the memory of the other side, or side= of .*a$/],
    [{ own: 'a', peer: '' }, /peer= names nothing/],
    [{ own: 'a', peer: 'no' }, /^Failed to open \S*no: there is no such file$/],
    [
      { own: 'a', peer: 'a' },
      /own= and peer= are the same memory, \S*a: add side=0 at one end and side=1 at/,
    ],
    [
      { own: 'odd', peer: 'odd' },
      /same memory, \S*odd, and its 100 bytes are no two sides: 16384 bytes at least, .*; truncate -s 1M/,
    ],
    [{ own: 'page', peer: 'page' }, /and its 4096 bytes are no two sides: 16384 bytes at least/],
    [{ own: 'uneven', side: '0' }, /uneven: 20480 bytes are no two sides: 16384 .*, each in whole pages/],
    [{ own: 'a', peer: 'symbolic' }, /are the same memory/],
    [{ own: 'a', peer: 'hard' }, /are the same memory/],
    [{ own: 'a', peer: 'b', side: '1' }, /side= is for halves of one memory/],
    [{ own: 'a', peer: 'folder' }, /folder: it is a directory, not a file/],
    [{ own: 'fifo', peer: 'b' }, /fifo: it is a FIFO, not a file/],
    [{ own: 'a', peer: 'fifo' }, /fifo: it is a FIFO, not a file/],
    [{ own: 'a', peer: '/dev/null' }, /\/dev\/null: it is a device, not a file/],
    [{ own: 'empty', peer: 'b' }, /has to be a multiple of 4096 bytes, and is 0; truncate -s 1M/],
    [{ own: 'a', peer: 'odd' }, /odd: its size has to be a multiple of 4096 bytes, and is 100;/],
    [{ own: 'page', peer: 'b' }, /page: 4096 bytes are no side: 8192 bytes at least, in whole pages/],
    [{ own: 'page', side: '0' }, /page: 4096 bytes are no two sides: 16384 bytes at least/],
    [{ own: 'a', peer: 'big' }, /both sides need the same size, not 524288 and 1048576 bytes/],
    [{ own: 'a/x', peer: 'b' }, /a\/x: ENOTDIR/],
    [{ own: 'a', peer: 'b', queues: '0' }, /queues=0 is not a whole number from 1 to 64/],
    [{ own: 'a', peer: 'b', queues: '2', minimum: '1' }, /queues=2 needs an extension, and minimum=1/],
    [{ own: 'small', peer: 'small2', queues: '9' }, /sides of 12288 bytes are too small for 9 queue pairs/],
    [{ own: 'a', side: '2' }, /side=2 is not a whole number from 0 to 1/],
    [{ own: 'a', peer: 'b', mac: '01:00:00:00:00:00' }, /is not a unicast MAC address/],
    [{ own: 'a', peer: 'b', mem: 'x@0' }, /mem= is for an ivshmem v2 function/],
    [{ own: 'a', peer: 'b', doorbell: 'no.sock' }, /no.sock: no such socket/],
    [{ own: '0000:ff:1f.7', peer: 'b' }, /0000:ff:1f.7: there is no such PCI function/],
  ])('are refused in one line: %j', (args, expected) => {
    for (const [name, bytes] of [
      ['empty', 0],
      ['odd', 100],
      ['page', 4096],
      ['big', 1 << 20],
      ['small', 12_288],
      ['small2', 12_288],
      ['uneven', 20_480],
    ] as const)
      file(name, bytes);
    symlinkSync(at('a'), at('symbolic'));
    linkSync(at('a'), at('hard'));
    mkdirSync(at('folder'));
    execFileSync('mkfifo', [at('fifo')]);
    const places = ['own', 'peer', 'doorbell'];
    const full = Object.entries(args as Record<string, string>).map(([key, value]) =>
      places.includes(key) && /^[a-z]/.test(value) ? [key, at(value)] : [key, value],
    );
    const make = () => probe(Object.fromEntries(full));
    expect(make).toThrow(expected);
    expect(make).toThrow(/^[^\n]+$/);
  });

  it('refuse a place beside the address of a function', () => {
    expect(() => probe({ own: at('a') }, '0000:00:04.0')).toThrow(/own= is for --vdev net_ivshmem<N>/);
  });

  it('say when a device whose files were gone is back', async () => {
    const args = { own: at('a'), peer: at('b') };
    expect(await isBack(args)).toBe(true);
    truncateSync(at('b'), 0);
    expect(await isBack(args)).toBe(false);
    rmSync(at('b'));
    expect(await isBack(args)).toBe(false);
    file('b');
    expect(await isBack(args)).toBe(true);
    expect(await isBack({ ...args, doorbell: at('no.sock') })).toBe(false);
    expect(await isBack({ own: '0000:00:04.0', peer: at('b') })).toBe(false);
  });
});
