// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-dumpcap on a running testpmd: what it writes is what passed, what it lost is counted, and nothing
// that it does disturbs the forwarding.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeCapture } from '../src/drivers/pcap/pcap.test-help.ts';
import { statisticsIn } from '../tools/run/testpmd-output.ts';
import { CaptureStage, Dumpcap, packetsOf } from './support/dumpcap.ts';
import { programMissing } from './support/program-missing.ts';
import type { Prompt } from './support/prompt.ts';
import { frameOf } from './support/section-files.ts';
import { Stage } from './support/stage.ts';
import { until } from './support/wait.ts';

const FRAMES = Array.from({ length: 500 }, (_, i) => frameOf(60 + ((i * 7) % 1455), i & 0xff));

let captured: CaptureStage;
let folder = '';
let testpmd: Prompt;
const file = (name: string) => captured.file(name);

beforeEach(() => {
  captured = new CaptureStage();
  folder = captured.folder;
});
afterEach(() => captured.close());

async function start(...vdevs: readonly string[]): Promise<void> {
  testpmd = await captured.start(...vdevs);
}

/** The numbers of "Packets received/dropped on interface …". */
function totals(said: string, name: string): { received: number; dropped: number } {
  const [, received, dropped] =
    new RegExp(`Packets received/dropped on interface '${name}': (\\d+)/(\\d+)`).exec(said) ?? [];
  return { received: Number(received), dropped: Number(dropped) };
}

/** Forwards all frames of net_pcap0, 500 in and 500 out. */
async function forwardAll(): Promise<void> {
  await testpmd.say('start');
  await testpmd.receives(499);
  await testpmd.say('stop');
}

describe('vhost-pci-dumpcap', () => {
  it('lists the interfaces of a process', async () => {
    await start('net_null0', 'net_null1,size=100');
    expect(await new Dumpcap('-D').ended).toMatchObject({ code: 0, stdout: '0. net_null0\n1. net_null1\n' });
  });

  it('regression: says that it waits for a process that answers nothing, and Ctrl-C ends that at once', async () => {
    await start('net_null0');
    const dumpcap = await new Dumpcap('-w', file('out.pcapng')).capturing();
    const statistics = new Dumpcap('-S');
    let printed = '';
    statistics.child.stdout?.on('data', (text) => {
      printed += text;
    });
    await until('statistics come', () => /net_null0/.test(printed));
    testpmd.hold();
    for (const one of [dumpcap, statistics]) {
      await one.says(/Waiting for an answer of the process at .*; Ctrl-C ends the wait\n/);
      const { code } = await one.interrupt();
      // Not for want of patience, five seconds later.
      expect([code, one.said]).toEqual([0, expect.not.stringMatching(/no longer active|no answer for/)]);
    }
    expect(packetsOf(file('out.pcapng'))).toEqual([]);
  });

  it('writes every packet of both directions, byte for byte, in the order of time', async () => {
    writeCapture(file('in.pcap'), FRAMES);
    await start(`net_pcap0,rx_pcap=${file('in.pcap')}`);
    const dumpcap = await new Dumpcap('-w', file('out.pcapng'), '--ifname', 'x').ended.then((ended) => {
      // --ifname before -i is a mistake, told in one line.
      expect(ended).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/^[^\n]*after a -i option\n$/),
      });
      return new Dumpcap('-i', '0', '-w', file('out.pcapng')).capturing();
    });
    const before = Date.now() / 1000 - 1;
    await forwardAll();
    await dumpcap.interrupt();
    expect(totals(dumpcap.said, 'net_pcap0')).toEqual({ received: 1000, dropped: 0 });
    const packets = packetsOf(file('out.pcapng'));
    expect(packets).toHaveLength(1000);
    const times = packets.map(({ seconds, nanoseconds }) => seconds + nanoseconds / 1e9);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBeGreaterThan(before);
    // A burst of 32 in, then the same out.
    for (let i = 0; i < FRAMES.length; i += 32) {
      const burst = FRAMES.slice(i, i + 32).map(String);
      const taken = packets.splice(0, 2 * burst.length).map(({ copy }) => String(copy));
      expect(taken).toEqual([...burst, ...burst]);
    }
    expect(statSync(file('out.pcapng')).mode & 0o777).toBe(0o600);
  });

  it('writes what a filter chooses, cut to the snapshot length, and counts the others', async () => {
    writeCapture(file('in.pcap'), FRAMES);
    await start(`net_pcap0,rx_pcap=${file('in.pcap')}`);
    const args = ['-f', 'greater 1000', '-s', '100', '-P', '-g', '-w', file('out.pcap')];
    const dumpcap = await new Dumpcap(...args).capturing();
    await forwardAll();
    await dumpcap.interrupt();
    const chosen = FRAMES.filter(({ length }) => length >= 1000);
    const packets = packetsOf(file('out.pcap'));
    expect(packets).toHaveLength(2 * chosen.length);
    expect(packets.every(({ length, originalLength }) => length === 100 && originalLength >= 1000)).toBe(
      true,
    );
    expect(totals(dumpcap.said, 'net_pcap0')).toEqual({ received: 1000, dropped: 0 });
    expect(statSync(file('out.pcap')).mode & 0o777).toBe(0o640);
  });

  it('counts what it has lost: at full rate, packets and drops are what passed', async () => {
    await start('net_null0');
    const dumpcap = await new Dumpcap('-N', '64', '-w', file('out.pcapng')).capturing();
    await testpmd.say('start');
    await testpmd.receives(500_000);
    await testpmd.say('stop');
    const [port] = statisticsIn(await testpmd.say('show port stats 0'));
    const { code } = await dumpcap.interrupt();
    const { received, dropped } = totals(dumpcap.said, 'net_null0');
    expect([code, received + dropped]).toEqual([0, Number(port?.rxPackets) + Number(port?.txPackets)]);
    expect(packetsOf(file('out.pcapng'))).toHaveLength(received);
  });

  it('writes what passes between the rings of a peer, where packets are relayed otherwise', async () => {
    const stage = new Stage();
    try {
      await stage.startDevice();
      await start(`net_vhost_pci0,path=${stage.path('vfio.sock')}`);
      const dumpcap = await new Dumpcap('-w', file('out.pcapng')).capturing();
      await testpmd.say('start');
      await stage.finished(stage.startPeer('--count', '5000', '--window', '64', '--no-reconnect'));
      await testpmd.say('stop');
      const [port] = statisticsIn(await testpmd.say('show port stats 0'));
      expect([port?.rxPackets, port?.txPackets]).toEqual([5000, 5000]);
      await dumpcap.interrupt();
      const { received, dropped } = totals(dumpcap.said, 'net_vhost_pci0');
      expect(received + dropped).toBe(10_000);
      const packets = packetsOf(file('out.pcapng'));
      expect(packets).toHaveLength(received);
      const frames = new Map<string, number>();
      for (const { copy } of packets) frames.set(String(copy), (frames.get(String(copy)) ?? 0) + 1);
      // Every frame in, and out again unchanged.
      if (dropped === 0) expect([frames.size, Math.max(...frames.values())]).toEqual([5000, 2]);
    } finally {
      await testpmd.kill();
      await stage.close();
    }
  });

  it('stops by itself, and writes a series of files of which the last remain', async () => {
    await start('net_null0');
    await testpmd.say('start');
    const one = new Dumpcap('-c', '1000', '-q', '-w', '-');
    const chunks: Buffer[] = [];
    one.child.stdout?.on('data', (chunk: string) => chunks.push(Buffer.from(chunk, 'latin1')));
    expect((await one.ended).code).toBe(0);
    expect(one.said).not.toContain('Packets');
    const args = ['-b', 'packets:100', '-b', 'files:2', '-a', 'packets:450', '-w', file('series.pcapng')];
    expect((await new Dumpcap(...args).ended).code).toBe(0);
    const files = readdirSync(folder).filter((name) => name.startsWith('series'));
    expect(files.map((name) => name.slice(0, 13)).toSorted()).toEqual(['series_00004_', 'series_00005_']);
    expect(files.map((name) => packetsOf(file(name)).length)).toEqual([100, 50]);
    expect((await new Dumpcap('-a', 'duration:0.2', '--temp-dir', folder).ended).code).toBe(0);
    expect(
      readdirSync(folder).filter((name) => name.startsWith('vhost-pci-dumpcap_0_net_null0_')),
    ).toHaveLength(1);
  });

  it('never holds up the forwarding: neither a capture that hangs nor one that is killed', async () => {
    await start('net_null0');
    await testpmd.say('start');
    const hung = await new Dumpcap('-w', file('a.pcapng')).capturing();
    hung.child.kill('SIGSTOP');
    await testpmd.receives((await testpmd.received()) + 1_000_000);
    const second = await new Dumpcap('-w', file('b.pcapng')).ended;
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('is being captured already') });
    hung.child.kill('SIGKILL');
    await hung.ended;
    expect(await new Dumpcap('-c', '100', '-w', file('c.pcapng')).ended).toMatchObject({ code: 0 });
    await testpmd.receives((await testpmd.received()) + 1000);
  });

  it('leaves the file alone when the process refuses the capture', async () => {
    await start('net_null0');
    await new Dumpcap('-i', '0', '-w', file('first.pcapng')).capturing();
    writeFileSync(file('precious'), 'precious');
    const { code, stderr } = await new Dumpcap('-i', '0', '-w', file('precious')).ended;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/being captured already\n$/)]);
    expect(readFileSync(file('precious'), 'utf8')).toBe('precious');
  });

  it.each([
    ['-S', '-c', '10'],
    ['-D', '-w', 'file'],
    ['-d', '-f', 'ip', '-a', 'packets:3'],
  ])('refuses what has no effect: %s %s %s', async (...args) => {
    const { code, stderr } = await new Dumpcap(...args).ended;
    expect([code, stderr]).toEqual([2, expect.stringMatching(/-[SDd]: nothing is captured; [^\n]*\n$/)]);
  });

  it.each(['inbound', 'outbound'])(
    'refuses the filter "%s", which only sockets of Linux know',
    async (filter) => {
      const { code, stderr } = await new Dumpcap('-d', '-f', filter).ended;
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(/^[^\n]*only a socket of Linux knows[^\n]*\n$/),
      ]);
    },
  );

  it('ends, with what it has, when the process does', async () => {
    await start('net_null0,no-rx=1');
    const dumpcap = await new Dumpcap('-w', file('a.pcapng')).capturing();
    await testpmd.kill();
    expect((await dumpcap.ended).code).toBe(0);
    expect(dumpcap.said).toContain('Primary process is no longer active');
    expect(packetsOf(file('a.pcapng'))).toEqual([]);
    const late = await new Dumpcap('-w', file('b.pcapng')).ended;
    expect(late).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^vhost-pci-dumpcap: Failed to reach[^\n]*\n$/),
    });
  });

  it.each([
    [['-i', 'nope'], 1, "no interface 'nope'; there is 0 (net_null0)"],
    [['-f', 'udp port'], 2, 'Failed to compile the capture filter "udp port"'],
    [['-i', '0', '-i', 'net_null0'], 2, 'net_null0 is named twice'],
    [['--file-prefix', 'a/b'], 2, "--file-prefix: 'a/b' is no name of a folder"],
    [['-w', ''], 2, '--output-file'],
    [['-N', '8', '-N', '9'], 2, "-N '9': It was given as '8' already"],
    [['-f', 'ip', '-f', 'arp'], 2, "--filter 'arp': It was given as 'ip' already"],
    [['-i', '0', '-s', '99', '-s', '98'], 2, "--snapshot-length '98': It was given as '99' already"],
    [
      ['-a', 'packets:3', '-a', 'packets:4'],
      2,
      "--autostop 'packets:4': It was given as 'packets:3' already",
    ],
    [['-a', 'packets:3', '-c', '4'], 2, "-c '4': It was given as 'packets:3' already"],
    [['-a', 'size:1'], 2, 'Expected duration:, filesize:, packets:, files: and a number'],
    [['-b', 'files:3', '-w', 'x'], 2, 'needs duration:, filesize: or packets: as well'],
    [['-d'], 2, '-d needs a filter'],
  ] as const)('says in one line what is wrong with %j', async (args, code, why) => {
    await start('net_null0');
    const ended = await new Dumpcap(...args).ended;
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toMatch(/^[^\n]*\n$/);
    expect(ended.stderr).toContain(why);
  });

  it.skipIf(programMissing('tcpdump', 'tcpdump', 'code of filters'))(
    'prints the code of a filter as tcpdump does',
    async () => {
      const theirs = execFileSync('tcpdump', ['-y', 'EN10MB', '-s', '2176', '-d', 'udp port 53'], {
        encoding: 'utf8',
      });
      const ours = await new Dumpcap('-d', '-f', 'udp port 53').ended;
      expect(ours.stdout.replace(/^.*\n/, '')).toBe(theirs);
    },
  );
});
