// SPDX-License-Identifier: BSD-3-Clause
// --capture as a user types it: what a run sends and receives, and what arrives of a replay at the far end.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileSink } from '../../src/capture/block-buffer.ts';
import { bytesOf } from '../../src/capture/packet.ts';
import { PcapWriter } from '../../src/capture/pcap-writer.ts';
import { CaptureFile } from '../../src/capture/reader.ts';
import { writePacket } from '../../src/capture/writer.ts';
import { nodeArguments, ROOT } from '../../test/support/program.ts';
import { Tool } from '../../test/support/tool.ts';
import { until } from '../../test/support/wait.ts';

const SCRIPT = 'tools/pktgen/main.ts';
/** Without warm-up, and slow enough for a machine that does other things as well. */
const COUNTED = ['--rate', '10kpps', '--count', '500', '--max-lag', '5000', '--drain', '1000'];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pktgen-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function pktgen(...args: string[]) {
  const options = { cwd: ROOT, encoding: 'utf8', timeout: 60_000 } as const;
  return spawnSync(process.execPath, [...nodeArguments(SCRIPT), ...args], options);
}

interface Packet {
  readonly hex: string;
  readonly originalLength: number;
  /** Microseconds. */
  readonly time: number;
}

function packetsOf(file: string): Packet[] {
  const capture = CaptureFile.open(file);
  const packets: Packet[] = [];
  for (let packet = capture.next(); packet; packet = capture.next()) {
    const { originalLength, seconds, nanoseconds } = packet;
    const hex = Buffer.from(bytesOf(packet)).toString('hex');
    packets.push({ hex, originalLength, time: 1e6 * seconds + nanoseconds / 1000 });
  }
  capture.close();
  return packets;
}

describe('--capture', () => {
  it('has every frame that was sent and every one that came back, in the order of time', () => {
    const [file, json] = [join(folder, 'a.pcapng'), join(folder, 'a.json')];
    const { status, stdout, stderr } = pktgen(...COUNTED, '--capture', file, '--json', json);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^captured 1000 frames in .*a\.pcapng$/m);
    expect(JSON.parse(readFileSync(json, 'utf8')).capture).toEqual({
      ...{ file, frames: 1000, dropped: 0, filtered: 0, failure: null },
    });
    const packets = packetsOf(file);
    // The peer exchanges the addresses.
    const sent = packets.filter(({ hex }) => hex.startsWith('020000000001'));
    const back = packets.filter(({ hex }) => hex.startsWith('020000000002'));
    expect([sent.length, back.length]).toEqual([500, 500]);
    expect(back.map(({ hex }) => hex.slice(24))).toEqual(sent.map(({ hex }) => hex.slice(24)));
    expect(packets.map(({ time }) => time)).toEqual(packets.map(({ time }) => time).sort((a, b) => a - b));
  });

  it('keeps to a size, a length and a direction', () => {
    const file = join(folder, 'a.pcapng');
    const bounds = ['--capture-size', '8K', '--snaplen', '20', '--capture-of', 'received', '--size', '1000'];
    const { status, stdout } = pktgen(...COUNTED, '--capture', file, ...bounds);
    expect(status).toBe(0);
    const [, frames, rest] = /^captured (\d+) frames in .*, (\d+) more/m.exec(stdout) ?? [];
    const packets = packetsOf(file);
    expect([packets.length, Number(frames) + Number(rest)]).toEqual([Number(frames), 500]);
    expect(readFileSync(file).length).toBeLessThanOrEqual(8192);
    expect(packets.length).toBeGreaterThan(80);
    expect(packets.every(({ hex, originalLength }) => hex.length === 40 && originalLength === 1000)).toBe(
      true,
    );
    expect(packets[0]?.hex).toMatch(/^020000000002/);
  });

  it('has the frames of one stream of two by its filter, byte for byte', () => {
    const path = (name: string) => join(folder, name);
    const [whole, some, json, streams] = [path('whole'), path('some'), path('a.json'), path('streams.json')];
    const ports = (port: number) => ({ srcPort: port, dstPort: port, count: 300 });
    writeFileSync(
      streams,
      JSON.stringify([
        { name: 'a', ...ports(9) },
        { name: 'b', ...ports(10) },
      ]),
    );
    const habits = ['--max-lag', '5000', '--drain', '1000', '--rate', '10kpps', '--capture-of', 'sent'];
    expect(pktgen('--streams', streams, ...habits, '--capture', whole).status).toBe(0);
    const filter = ['--capture-filter', 'udp port 9', '--json', json];
    const { status, stdout, stderr } = pktgen('--replay', whole, ...habits, '--capture', some, ...filter);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^captured 300 frames in .*\/some; the filter refused 300$/m);
    const { capture } = JSON.parse(readFileSync(json, 'utf8'));
    expect(capture).toEqual({ file: some, frames: 300, dropped: 0, filtered: 300, failure: null });
    const isWanted = ({ hex }: Packet) => hex.slice(2 * 34, 2 * 38) === '00090009';
    const hexes = (packets: readonly Packet[]) => packets.map(({ hex }) => hex);
    expect(hexes(packetsOf(some))).toEqual(hexes(packetsOf(whole).filter(isWanted)));
  });

  it('at full speed counts every frame, in the file or not', () => {
    const file = join(folder, 'a.pcapng');
    const of = ['--capture-of', 'sent', '--capture-size', '1M', '--snaplen', '64'];
    const most = ['--rate', 'max', '--count', '300000', '--peer', 'sink'];
    const { stdout, stderr } = pktgen(...most, '--capture', file, ...of);
    const [, frames, rest] = /^captured (\d+) frames in .*, (\d+) more/m.exec(stdout) ?? [stderr];
    expect(Number(frames) + Number(rest)).toBe(300_000);
    expect(packetsOf(file)).toHaveLength(Number(frames));
  });

  it('regression: of a file that another run writes is refused, and that is left as it is', async () => {
    const file = join(folder, 'a.pcapng');
    const slow = ['--rate', '1kpps', '--warm-up', '0', '--max-lag', '5000', '--plain', '--no-telemetry'];
    const first = new Tool(SCRIPT, [...slow, '--stats-period', '0.1', '--capture', file]);
    try {
      await first.printed('t=');
      const { status, stderr } = pktgen(...slow, '--duration', '0.1', '--capture', file);
      expect([status, stderr]).toEqual([1, expect.stringMatching(/^vhost-pci-pktgen: .*\n$/)]);
      expect(stderr).toContain(`${file}: another process is writing it; name another file`);
      await first.kill('SIGINT');
      const [, frames] = /^captured (\d+) frames/m.exec(first.output) ?? [];
      expect(packetsOf(file)).toHaveLength(Number(frames));
    } finally {
      await first.kill();
    }
  });

  it('on a full disk ends the capture, not the run', () => {
    const { status, stdout } = pktgen(...COUNTED, '--capture', '/dev/full');
    expect(status).toBe(1);
    expect(stdout).toMatch(/^received 500, lost 0/m);
    expect(stdout).toMatch(/^capture: Failed to write \/dev\/full: ENOSPC/m);
  });

  it.each([
    [['--capture', '/nonexistent/a.pcapng'], 'Failed to write /nonexistent/a.pcapng', 1],
    [['--capture', '/tmp'], 'Failed to write /tmp: it is a directory, not a file', 1],
    [['--capture', ''], 'the name is empty', 2],
    [['--capture', 'a', '--capture-size', '0'], "'0' is not a size such as 256M", 2],
    [['--capture', 'a', '--capture-size', '0x5'], "'0x5' is not a size such as 256M", 2],
    [['--capture', '-'], 'a capture needs a file of its own', 2],
    [['--capture', 'a', '--capture-of', 'all'], 'Allowed choices are received, sent, both', 2],
    [['--capture', 'a', '--ndr'], '--capture: not with a search', 2],
    [
      ['--capture', 'a', '--capture-filter', 'udp prot 9'],
      'Failed to compile the capture filter "udp prot 9"',
      2,
    ],
    [['--capture', 'a', '--capture-filter', 'inbound'], 'what only a socket of Linux knows', 2],
    [['--capture', 'a', '--capture-filter', ' '], '--capture-filter: the expression is empty', 2],
  ])('is refused in one line: %j', (args, says, code) => {
    const { status, stderr } = pktgen(...args);
    expect([status, stderr]).toEqual([code, expect.stringMatching(/^vhost-pci-pktgen: .*\n$/)]);
    expect(stderr).toContain(says);
  });
});

it('a replay arrives at the far end byte for byte, and both ends say how its gaps were', async () => {
  const path = (name: string) => join(folder, name);
  const [source, got, sentGaps, gaps, json] = [
    ...[path('source.pcap'), path('got.pcapng'), path('sent.csv'), path('far.csv'), path('far.json')],
  ] as const;
  const sizes = Array.from({ length: 300 }, (_, i) => (i < 4 ? [14, 15, 60, 9018][i] : 60 + 5 * i) as number);
  const sink = new FileSink(source);
  const writer = new PcapWriter({ sink: sink.write, interfaces: [{}] });
  const packets = sizes.map((length, i) =>
    Uint8Array.from({ length }, (_, k) => (k < 12 ? k : i * 31 + k * 7) & 0xff),
  );
  packets.forEach((bytes, i) => {
    const header = { length: bytes.length, originalLength: bytes.length, seconds: 1000 };
    writePacket(writer, { ...header, nanoseconds: i * 1e6, interfaceId: 0, direction: 'unknown' }, bytes);
  });
  writer.flush();
  sink.close();
  const shared = mkdtempSync('/dev/shm/pktgen-');
  const [a, b] = [join(shared, 'a'), join(shared, 'b')];
  for (const file of [a, b]) {
    writeFileSync(file, '');
    truncateSync(file, 4 << 20);
  }
  const far = new Tool(SCRIPT, [
    ...['--reflect', '--vdev', `net_ivshmem0,own=${b},peer=${a}`],
    ...['--capture', got, '--replay', source, '--gaps', gaps, '--json', json],
  ]);
  const near = new Tool(SCRIPT, [
    ...['--vdev', `net_ivshmem0,own=${a},peer=${b}`, '--replay', source],
    ...['--max-lag', '5000', '--drain', '1000', '--gaps', sentGaps],
  ]);
  try {
    await until('the replay ends', () => !near.running || !far.running);
    expect(near.exitCode, `${near.output}${far.output}`).toBe(0);
    await far.kill('SIGINT');
    expect(far.output).toMatch(/^captured 300 frames in /m);
    const wrong = packetsOf(got).findIndex(
      ({ hex }, i) => hex !== Buffer.from(packets[i] ?? '').toString('hex'),
    );
    expect(wrong, 'the first packet that differs').toBe(-1);
    expect(far.output).toMatch(/^packets of the capture: 300 as they were, 0 missing, 0 others$/m);
    expect(far.output).toMatch(/^gaps between frames: .* within 5 us or 1 %: .* of (all )?299/m);
    const figures = JSON.parse(readFileSync(json, 'utf8'));
    expect(figures).toMatchObject({ reflected: 300, arrivals: { whole: 300, missing: 0, others: 0 } });
    expect(figures.gaps.samples).toBe(299);
    for (const file of [sentGaps, gaps]) {
      const [head, ...lines] = readFileSync(file, 'utf8').trim().split('\n');
      expect(head).toBe('packet,time_us,gap_us,error_us,away');
      expect(lines.map((line) => Number(line.split(',')[0]))).toEqual(packets.map((_, i) => i));
      expect(lines[7]).toMatch(/^7,[\d.]+,1000\.000,-?[\d.]+,[01]$/);
    }
  } finally {
    for (const tool of [far, near]) await tool.kill();
    rmSync(shared, { recursive: true });
  }
});
