// SPDX-License-Identifier: BSD-3-Clause
// net_pcap: what is in the files is received, what is sent is in the files, byte for byte; its link is that
// of its interfaces.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { interfaceName, tapMissing } from '../../../test/support/netns.ts';
import { frameOf } from '../../../test/support/section-files.ts';
import { until } from '../../../test/support/wait.ts';
import { FileSink } from '../../capture/block-buffer.ts';
import { MBUF_F_NEEDS_CSUM, type MbufVector, Mempool } from '../../ethdev/mempool.ts';
import type { Port } from '../../ethdev/port.ts';
import { setWarningSink } from '../../warnings.ts';
import { openPort, ports, probePort } from '../registry.ts';
import { openRxQueue, openTxQueue } from '../table.ts';
import { readCapture, writeCapture } from './pcap.test-help.ts';

let folder = '';
let pool: Mempool;
let pkts: MbufVector;
const file = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vpci-pcap-'));
  pool = new Mempool({ count: 64, dataRoom: 2048, hugepages: false });
  pkts = pool.vector(32);
});
afterEach(() => {
  for (const port of ports()) port.close();
  pool.close();
  rmSync(folder, { recursive: true });
});

/** The frames of one burst. */
function received(port: Port, queue = 0): Uint8Array[] {
  const n = openRxQueue(port.rxQueueSpec(queue)).burst(pkts, 32);
  const frames = [...pkts.ids.subarray(0, n)].map((first) => {
    const parts: Uint8Array[] = [];
    for (let mbuf = first; mbuf < pool.count; mbuf = pool.next[mbuf])
      parts.push(pool.bytes.slice(...span(mbuf)));
    return Uint8Array.from(parts.flatMap((part) => [...part]));
  });
  pool.free(pkts, 0, n);
  return frames;
}

function span(mbuf: number): [number, number] {
  const at = mbuf * pool.stride + pool.dataOff[mbuf];
  return [at, at + pool.dataLen[mbuf]];
}

const FRAMES = [60, 64, 1514, 9000, 65_535].map((length) => frameOf(length, length & 0xff));

describe('net_pcap', () => {
  it.each([false, true])(
    'receives what is in the file, long packets in several mbufs (pcapng: %s)',
    (pcapng) => {
      writeCapture(file('rx'), FRAMES, { pcapng });
      const port = openPort(`net_pcap0,rx_pcap=${file('rx')}`);
      expect(received(port)).toEqual(FRAMES.map((frame) => Uint8Array.from(frame)));
      expect(received(port)).toEqual([]);
      expect(pool.available).toBe(64);
      expect(port.stats()).toMatchObject({ ipackets: 5, ierrors: 0, rxNombuf: 0 });
      port.stop();
      port.start();
      expect(received(port)).toHaveLength(5);
    },
  );

  it('goes on where another lcore has come, and over and over with infinite_rx', () => {
    writeCapture(file('rx'), FRAMES.slice(0, 3));
    const port = openPort(`net_pcap0,rx_pcap=${file('rx')}`);
    const few = pool.vector(2);
    pool.free(few, 0, openRxQueue(port.rxQueueSpec(0)).burst(few, 2));
    expect(received(port)).toEqual([Uint8Array.from(FRAMES[2] as Uint8Array)]);
    const endless = openPort(`net_pcap1,rx_pcap=${file('rx')},infinite_rx=1`);
    expect(received(endless)).toHaveLength(32);
    writeCapture(file('empty'), []);
    expect(received(openPort(`net_pcap2,rx_pcap=${file('empty')},infinite_rx=1`))).toEqual([]);
  });

  it('writes what is sent, and behind it what another lcore sends', () => {
    const port = openPort(`net_pcap0,tx_pcap=${file('tx')}`);
    const send = (length: number) => {
      expect(pool.alloc(pkts, 2)).toBeGreaterThan(0);
      for (const mbuf of pkts.ids.subarray(0, 2)) {
        pool.dataLen[mbuf] = pool.pktLen[mbuf] = length;
        pool.bytes.fill(length, ...span(mbuf));
      }
      expect(openTxQueue(port.txQueueSpec(0)).burst(pkts, 0, 2)).toBe(2);
    };
    send(60);
    send(61);
    expect(readCapture(file('tx'))).toEqual(
      [60, 60, 61, 61].map((length) => new Uint8Array(length).fill(length)),
    );
    expect(received(port)).toEqual([]);
    port.stop();
    port.start();
    expect(readCapture(file('tx'))).toEqual([]);
  });

  it('regression: a file that it writes, or another process does, is begun by nobody else', () => {
    const device = `net_pcap0,tx_pcap=${file('tx')}`;
    const other = new FileSink(file('tx'));
    expect(() => openPort(device)).toThrow(/Failed to create .*tx: another process is writing it/);
    other.close();
    const port = openPort(device);
    expect(() => new FileSink(file('tx'))).toThrow('another process is writing it');
    port.stop();
    new FileSink(file('tx')).close();
    port.start();
    port.close();
    new FileSink(file('tx')).close();
  });

  it('joins the mbufs of a packet, and completes its checksum', () => {
    writeCapture(file('rx'), [frameOf(5000, 7)]);
    const port = openPort(`net_pcap0,rx_pcap=${file('rx')},tx_pcap=${file('tx')}`);
    expect(openRxQueue(port.rxQueueSpec(0)).burst(pkts, 1)).toBe(1);
    const [mbuf] = pkts.ids;
    pool.olFlags[mbuf] = MBUF_F_NEEDS_CSUM;
    pool.csumStart[mbuf] = 34;
    pool.csumOffset[mbuf] = 6;
    openTxQueue(port.txQueueSpec(0)).burst(pkts, 0, 1);
    const [frame = new Uint8Array(0)] = readCapture(file('tx'));
    expect(frame).toHaveLength(5000);
    let sum = 0;
    const original = frameOf(5000, 7);
    for (let i = 34; i < 5000; i += 2) sum += (original[i] << 8) | original[i + 1];
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    expect((frame[40] << 8) | frame[41]).toBe(~sum & 0xffff || 0xffff);
  });

  it('drops and counts packets when only files to read are given, and after a write failed', () => {
    writeCapture(file('rx'), FRAMES.slice(0, 2));
    const port = openPort(`net_pcap0,rx_pcap=${file('rx')}`);
    const n = openRxQueue(port.rxQueueSpec(0)).burst(pkts, 2);
    expect(openTxQueue(port.txQueueSpec(0)).burst(pkts, 0, n)).toBe(2);
    expect(port.stats()).toMatchObject({ opackets: 2, oerrors: 0 });
  });

  it('regression: a file that turns out wrong has ended there, with the packets before it', () => {
    writeCapture(file('rx'), FRAMES.slice(0, 3));
    writeFileSync(file('cut'), readFileSync(file('rx')).subarray(0, -10));
    const port = openPort(`net_pcap0,rx_pcap=${file('cut')},infinite_rx=1`);
    const queue = openRxQueue(port.rxQueueSpec(0));
    expect([queue.burst(pkts, 2), queue.burst(pool.vector(8), 8), queue.burst(pool.vector(8), 8)]).toEqual([
      2, 0, 0,
    ]);
    pool.free(pkts, 0, 2);
    expect(port.stats()).toMatchObject({ ipackets: 2, ierrors: 1 });
    expect(pool.available).toBe(64);
  });

  it('regression: says which packets are left out, and that there is nothing to repeat', () => {
    const said: string[] = [];
    setWarningSink(({ message }) => said.push(message));
    const frames = FRAMES.slice(0, 2);
    writeCapture(file('mixed'), frames, { pcapng: true });
    writeCapture(file('other'), frames, { pcapng: true, linkType: 101 });
    appendFileSync(file('mixed'), readFileSync(file('other')));
    const port = openPort(`net_pcap0,rx_pcap=${file('mixed')}`);
    expect([received(port).length, port.stats().ierrors]).toEqual([2, 2]);
    writeCapture(file('empty'), []);
    received(openPort(`net_pcap1,rx_pcap=${file('empty')},infinite_rx=1`));
    expect(said).toEqual([
      `${file('mixed')}: packets of link type 101 are left out, this port has Ethernet (1)`,
      `${file('empty')}: no packet of Ethernet for infinite_rx to repeat`,
    ]);
  });

  it.each([
    ['', 'it needs rx_pcap=FILE or tx_pcap=FILE'],
    [',infinite_rx=1', 'it needs rx_pcap=FILE'],
    [',tx_pcap=t,infinite_rx=1', 'infinite_rx needs rx_pcap=FILE'],
    [',rx_iface=nope0', 'Failed to open interface nope0: ENODEV'],
    [',iface=', 'iface needs an interface'],
    [',iface=lo,tx_pcap=a', 'iface= is both directions'],
    [',rx_iface=lo,rx_pcap=a', 'rx_pcap and rx_iface cannot be mixed'],
    [',tx_pcap=a,phy_mac=1', 'phy_mac needs an interface'],
    [',tx_pcap=a,tx_pcap=a', 'two tx_pcap with the same file'],
    [',rx_pcap=/nowhere', 'Failed to open /nowhere: ENOENT'],
    [',rx_pcap=/etc/passwd', 'Failed to read /etc/passwd: neither a pcap nor a pcapng file, at byte 0'],
    [',infinite_rx=1,infinite_rx=1', "key 'infinite_rx' is given twice"],
    [',rx_pcap#1=a', "'rx_pcap#1' is not a key"],
  ])('refuses in words: net_pcap0%s', (devargs, message) => {
    expect(() => probePort(`net_pcap0${devargs}`)).toThrow(message);
  });

  it('regression: refuses to write over a file that is read or written, by whatever name', () => {
    writeCapture(file('a'), FRAMES);
    symlinkSync(file('a'), file('soft'));
    linkSync(file('a'), file('hard'));
    for (const name of ['a', 'soft', 'hard'])
      expect(() => probePort(`net_pcap0,rx_pcap=${file('a')},tx_pcap=${file(name)}`)).toThrow(
        `Failed to probe net_pcap0: ${file(name)} is read by an rx_pcap, and writing would empty it`,
      );
    const reader = openPort(`net_pcap0,rx_pcap=${file('a')}`);
    expect(() => probePort(`net_pcap1,tx_pcap=${file('soft')}`)).toThrow('is read by an rx_pcap');
    const writer = openPort(`net_pcap1,tx_pcap=${file('out')}`);
    expect(() => probePort(`net_pcap2,rx_pcap=${file('out')}`)).toThrow('is written by another port');
    expect(() => probePort(`net_pcap2,tx_pcap=${folder}/./out`)).toThrow('is written by another tx_pcap');
    writer.stop();
    rmSync(file('out'));
    linkSync(file('a'), file('out'));
    expect(() => writer.start()).toThrow('Failed to start port 1');
    expect(readCapture(file('a'))).toHaveLength(FRAMES.length);
    reader.close();
    writer.start();
    expect(readCapture(file('a'))).toEqual([]);
  });

  it('refuses what is not Ethernet, and more queues than files', () => {
    writeCapture(file('rx'), FRAMES.slice(0, 1), { linkType: 101 });
    expect(() => probePort(`net_pcap0,rx_pcap=${file('rx')}`)).toThrow('its packets are of link type 101');
    expect(() => openPort(`net_pcap0,tx_pcap=${file('tx')}`, { txQueues: 2 })).toThrow(
      '2 TX queues requested, the device has 1, one for each tx_pcap=',
    );
  });

  it('has its files in its devargs', () => {
    writeCapture(file('a'), FRAMES.slice(0, 1));
    const port = probePort(`net_pcap0,rx_pcap=${file('a')},rx_pcap=${file('a')}`);
    expect(port.info).toMatchObject({ devargs: `rx_pcap=${file('a')},rx_pcap=${file('a')}`, maxRxQueues: 2 });
  });
});

describe.skipIf(tapMissing())('net_pcap on an interface', () => {
  const ip = (...args: string[]) => execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' });
  let near = '';
  let far = '';
  beforeEach(() => {
    [near, far] = [interfaceName(), interfaceName()];
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far);
    for (const name of [near, far]) ip('link', 'set', name, 'up');
  });
  afterEach(() => {
    if (existsSync(`/sys/class/net/${near}`)) ip('link', 'delete', near);
  });

  it('regression: has its link, and says when it goes down, comes up and vanishes', async () => {
    const port = openPort(`net_pcap0,iface=${near}`);
    await until('the kernel has joined them', () => port.link().up);
    const heard: boolean[] = [];
    const reasons: (string | undefined)[] = [];
    port.on('link', ({ up }) => heard.push(up));
    port.on('reason', ({ reason }) => reasons.push(reason));
    ip('link', 'set', near, 'down');
    expect(port.link()).toEqual({ up: false, speed: 0, reason: `interface ${near} is down` });
    await until('the port says so', () => heard.length === 1 && reasons.length === 1);
    ip('link', 'set', near, 'up');
    await until('and that it is up again', () => heard.length === 2);
    expect(port.link()).toEqual({ up: true, speed: 10_000 });
    ip('link', 'set', far, 'down');
    await until('a carrier that is lost counts', () => heard.length === 3 && reasons.length === 2);
    ip('link', 'delete', near);
    const gone = `interface ${near} is gone: detach the port and attach it again`;
    expect(port.link().reason).toBe(gone);
    await until('the port says why', () => reasons.length === 3);
    expect([heard, reasons.at(1), reasons.at(2)]).toEqual([
      [false, true, false],
      `interface ${near} has no carrier`,
      gone,
    ]);
    port.stop();
    expect(() => port.start()).toThrow(`Failed to start port 0: ${gone}`);
    expect(port.started).toBe(false);
  });

  it('starts on one that is down, and is up while all of its interfaces are', async () => {
    ip('link', 'set', far, 'down');
    const port = openPort(`net_pcap0,rx_iface=lo,tx_iface=${near}`);
    expect(port.link().up).toBe(false);
    ip('link', 'set', far, 'up');
    await until('both are up', () => port.link().up);
    port.stop();
    expect(port.link()).toEqual({ up: false, speed: 0 });
  });
});
