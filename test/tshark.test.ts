// SPDX-License-Identifier: BSD-3-Clause
// What this project captures, read by Wireshark's tshark.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCapture, writeCapture } from '../src/drivers/pcap/pcap.test-help.ts';
import { statisticsIn } from '../tools/run/testpmd-output.ts';
import { nodeArguments, ROOT } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';
import { Prompt } from './support/prompt.ts';
import { collect, startTool } from './support/run-tool.ts';
import { frameOf } from './support/section-files.ts';
import { framesByTshark } from './support/tshark.ts';
import { until } from './support/wait.ts';

const FRAMES = Array.from({ length: 500 }, (_, i) => frameOf(60 + ((i * 7) % 300), i & 0xff));
/** Of a capture at full rate, one frame in so many is compared byte for byte. */
const SAMPLE = 97;

describe.skipIf(programMissing('tshark', 'tshark', 'captures read by tshark'))('tshark', () => {
  let folder = '';
  const file = (name: string) => join(folder, name);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-tshark-'));
    process.env.RUNTIME_DIRECTORY = folder;
  });
  afterEach(() => {
    delete process.env.RUNTIME_DIRECTORY;
    rmSync(folder, { recursive: true });
  });

  it('reads a capture at full rate: packets and drops are what passed, and a sample is right byte for byte', async () => {
    writeCapture(file('in.pcap'), FRAMES);
    const vdev = `net_pcap0,rx_pcap=${file('in.pcap')},infinite_rx=1`;
    const testpmd = new Prompt(['--no-huge', '--vdev', vdev, '--', '-i', '--port-topology=loop']);
    try {
      await testpmd.prints('testpmd> ');
      const dumpcap = startTool('tools/dumpcap/main.ts', ['-w', file('out.pcapng')]);
      let said = '';
      dumpcap.stderr?.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      const ended = collect(dumpcap);
      await until('the capture has begun', () => said.includes('Capturing on'));
      await testpmd.say('start');
      await testpmd.receives(1_000_000);
      await testpmd.say('stop');
      const [port] = statisticsIn(await testpmd.say('show port stats 0'));
      dumpcap.kill('SIGINT');
      expect((await ended).code).toBe(0);
      const [, received, dropped] =
        /received\/dropped on interface 'net_pcap0': (\d+)\/(\d+)/.exec(said) ?? [];
      expect(Number(received) + Number(dropped)).toBe(Number(port?.rxPackets) + Number(port?.txPackets));

      const known = new Set(FRAMES.map((frame) => Buffer.from(frame).toString('hex')));
      let [frames, strange, backwards, last] = [0, 0, 0, 0n];
      for await (const { time, originalLength, bytes } of framesByTshark(file('out.pcapng'))) {
        if (time < last) backwards++;
        last = time;
        if (frames++ % SAMPLE > 0) continue;
        if (originalLength !== bytes.length || !known.has(bytes.toString('hex'))) strange++;
      }
      expect({ frames, strange, backwards }).toEqual({ frames: Number(received), strange: 0, backwards: 0 });
    } finally {
      await testpmd.kill();
    }
  });

  it('reads what the generator has captured as our own reader does', async () => {
    const args = ['--rate', '10kpps', '--count', '500', '--max-lag', '5000', '--capture', file('g.pcapng')];
    const options = { cwd: ROOT, encoding: 'utf8', timeout: 60_000 } as const;
    const script = nodeArguments('tools/pktgen/main.ts');
    const { status, stderr } = spawnSync(process.execPath, [...script, ...args], options);
    expect(status, stderr).toBe(0);
    const theirs: string[] = [];
    for await (const { bytes } of framesByTshark(file('g.pcapng'))) theirs.push(bytes.toString('hex'));
    expect(theirs).toHaveLength(1000);
    expect(theirs).toEqual(readCapture(file('g.pcapng')).map((frame) => Buffer.from(frame).toString('hex')));
  });

  it("finds the checksums of the generator's TCP segments and UDP datagrams right, and their fields as asked for", async () => {
    const tcp = { protocol: 'tcp', count: 200 };
    const streams = [
      {
        ...tcp,
        tcpFlags: 'syn,syn+ack,fin+ack',
        tcpSeq: '1000-900000/1448',
        dstPort: '80,443',
        size: 'random:68-1514',
      },
      {
        ...tcp,
        tcpSeq: 'random:0-4294967295',
        tcpAck: 'random:0-4294967295',
        srcIp: '2001:2::1-2001:2::ff',
        size: 101,
      },
      { ...tcp, vlan: '1-4', srcIp: '10.0.0.1-10.0.3.254', tcpFlags: 'none', size: '7:72,4:570,1:1518' },
      { count: 200, size: 'random:64-1514', dstPort: 'random:1024-65535' },
    ];
    writeFileSync(file('s.json'), JSON.stringify({ streams }));
    const args = ['--rate', '10kpps', '--max-lag', '5000', '--streams', file('s.json'), '--max-loss', '0'];
    const capture = ['--no-telemetry', '--capture', file('t.pcapng'), '--capture-of', 'sent'];
    const options = { cwd: ROOT, encoding: 'utf8', timeout: 60_000 } as const;
    const script = [...nodeArguments('tools/pktgen/main.ts'), ...args, ...capture];
    const { status, stderr } = spawnSync(process.execPath, script, options);
    expect(status, stderr).toBe(0);
    const checks = ['tcp', 'udp', 'ip'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
    const fields = [
      'ip.checksum.status',
      'tcp.checksum.status',
      'udp.checksum.status',
      'tcp.flags',
      'tcp.seq_raw',
      'tcp.dstport',
    ];
    const tshark = spawnSync(
      'tshark',
      ['-r', file('t.pcapng'), ...checks, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])],
      options,
    );
    const rows = tshark.stdout
      .replace(/\n$/, '')
      .split('\n')
      .map((line) => line.split('\t'));
    expect(rows.length, tshark.stderr).toBe(800);
    // 1 is "Good"; an IPv6 header has none, and a frame has one of TCP and UDP.
    expect(new Set(rows.map((row) => row.slice(0, 3).join()))).toEqual(new Set(['1,1,', ',1,', '1,,1']));
    const first = rows.filter(([ip, , , flags]) => ip === '1' && flags !== '' && !flags?.endsWith('000'));
    expect(first).toHaveLength(200);
    first.forEach(([, , , flags, seq, port], i) => {
      const wanted = [[0x02, 0x12, 0x11][i % 3], 1000 + 1448 * i, i % 2 === 0 ? 80 : 443];
      expect([Number(flags), Number(seq), Number(port)]).toEqual(wanted);
    });
  });

  it('refuses what is cut', async () => {
    writeCapture(file('in.pcap'), FRAMES, { pcapng: true });
    truncateSync(file('in.pcap'), statSync(file('in.pcap')).size - 5);
    await expect(async () => {
      for await (const _ of framesByTshark(file('in.pcap')));
    }).rejects.toThrow('cut short');
  });
});
