// SPDX-License-Identifier: BSD-3-Clause
// Options that contradict each other, have no effect, or have a wrong value: one line and exit status 2.
import { spawnSync } from 'node:child_process';
import { linkSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nodeArguments } from '../../test/support/program.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pktgen-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function refused(args: readonly string[]): string {
  const options = { cwd: folder, encoding: 'utf8', timeout: 30_000 } as const;
  const command = [...nodeArguments('tools/pktgen/main.ts'), '--no-telemetry', ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, options);
  expect([status, stdout], stderr).toEqual([2, '']);
  expect(stderr).toMatch(/^vhost-pci-pktgen: .*\n$/);
  return stderr;
}

it.each([
  [['--size', '20'], '--size: 20 is not a size'],
  [['--src-ip', '300.1.1.1'], "--src-ip: '300.1.1.1' is not an IPv4 address"],
  [['--vlan', '5000'], "--vlan: '5000' is not a VLAN"],
  [['--src-mac', 'zz'], "--src-mac: 'zz' is not a MAC address"],
  [['--src-port', '65536'], "--src-port: '65536' is not a port"],
  [['--protocol', 'sctp'], 'Allowed choices are udp, tcp'],
  [
    ['--protocol', 'tcp', '--tcp-flags', 'syn+fun'],
    "--tcp-flags: 'syn+fun' is not TCP flags such as syn+ack",
  ],
  [['--protocol', 'tcp', '--tcp-flags', 'syn-ack'], "--tcp-flags: 'syn-ack' is a range"],
  [['--protocol', 'tcp', '--tcp-seq', '4294967296'], "--tcp-seq: '4294967296' is not a number from 0"],
  [['--protocol', 'tcp', '--tcp-ack', '5-2'], "--tcp-ack: '5-2' runs backwards"],
  [['--protocol', 'tcp', '--size', '64'], '--size: 64 is not a size from 68'],
  [['--duration', '1e10'], 'a number of seconds from 0.001 to 1000000000'],
  [['--stats-period', '1e-9'], 'a number of seconds from 0.01 to 1000000000'],
  [['--max-lag', '0'], 'a whole number from 1 to 60000'],
  [['--warm-up', '-1'], 'a number of seconds from 0 to 1000000000'],
  [['--replay', 'a', '--speed', '0'], 'a number from 0.001 to 1000000'],
  [['--ndr', '--max-latency', '0'], 'a number of microseconds from 0.001 to 1000000000'],
])('a wrong value: %j', (args, says) => {
  expect(refused(args)).toContain(says);
});

it.each([
  [['--frame-sizes', '64'], '--frame-sizes: requires --rfc2544'],
  [['--reflect', '--vdev', 'net_null0', '--rate', '5'], '--rate: not with --reflect'],
  [['--reflect', '--vdev', 'net_null0', '--size', '64'], '--size: not with --reflect'],
  [['--reflect', '--vdev', 'net_null0', '--csv', 'a'], '--csv: not with --reflect'],
  [['--watch', 'a', '--rate', '5'], '--rate: not with --watch'],
  [['--vdev', 'net_null0', '--peer', 'sink'], '--peer: of the built-in peer'],
  [['--vdev', 'net_null0', '--drop-above', '5'], '--drop-above: of the built-in peer'],
  [['--trial-time', '1'], '--trial-time: requires a search'],
  [['--ndr', '--hgrm', 'a'], '--hgrm: not with a search'],
  [['--ndr', '--max-unsent', '1'], '--max-unsent: not with a search'],
  [['--ndr', '--no-return'], '--no-return: not with a search'],
  [['--ndr', '--count', '5'], '--count: not with a search'],
  [['--rfc2544', 'all', '--count', '5'], '--count: not with a search'],
  [['--rfc2544', 'all', '--size', '64'], '--size: not with --rfc2544'],
  [['--replay', 'a', '--size', '64'], '--size: not with --replay'],
  [['--replay', 'a', '--hgrm', 'b'], 'latencies need numbered frames'],
  [['--loops', '2'], '--loops: requires --replay'],
  [['--speed', '2'], '--speed: requires --replay'],
  [['--gaps', 'a'], '--gaps: requires --replay'],
  [['--replay', 'a', '--gaps', 'b', '--rate', '5'], '--gaps: not with --rate or --loops 0'],
  [['--replay', 'a', '--gaps', 'b', '--loops', '0'], '--gaps: not with --rate or --loops 0'],
  [['--streams', 'a', '--vlan', '1'], '--vlan: not with --streams'],
  [['--snaplen', '64'], '--snaplen: requires --capture'],
  [['--ip', '10.0.0.2'], '--ip: requires --reflect'],
  [['--capture-filter', 'udp'], '--capture-filter: requires --capture'],
  [['--file-prefix', 'a'], '--file-prefix: not with --no-telemetry'],
  [['--ping', '--burst', '2'], '--burst: not with --ping'],
  [['--tcp-flags', 'syn'], '--tcp-flags: the protocol is not tcp'],
  [['--streams', 'a', '--protocol', 'tcp'], '--protocol: not with --streams'],
  [['--ndr', '--control'], '--control: not with a search'],
  [['--compare', 'a'], '--compare: requires --html'],
  [['--html', '-'], '--html: a page needs a file of its own'],
  [['--rate', 'max', '--poisson'], '--poisson: not with --rate max'],
])('no effect: %j', (args, says) => {
  expect(refused(args)).toContain(says);
});

it.each([
  [['--json', 'a', '--csv', 'a'], '--json and --csv: a can be only one of them'],
  [['--csv', 'm/../a', '--hgrm', './a'], '--csv and --hgrm: '],
  [['--json', 'a', '--capture', 'a'], '--json and --capture: '],
  [['--json', 'old', '--csv', 'symlink'], '--json and --csv: '],
  [['--json', 'old', '--csv', 'link'], '--json and --csv: '],
  [['--replay', 'old', '--capture', 'old'], '--replay and --capture: '],
  [['--replay', 'old', '--gaps', 'link'], '--replay and --gaps: '],
  [['--streams', 'old', '--json', 'link'], '--streams and --json: '],
  [['--html', 'a', '--compare', 'old', '--json', 'old'], '--compare and --json: '],
  [['--html', 'old', '--compare', 'link'], '--compare and --html: '],
  [['--json', 'new', '--csv', 'to-new'], '--json and --csv: '],
  [['--hgrm', 'to-new', '--capture', 'new'], '--hgrm and --capture: '],
  [['--streams', ''], '--streams: the name is empty'],
  [['--replay', ''], '--replay: the name is empty'],
  [['--json', ''], '--json: the name is empty'],
])('one file for two: %j', (args, says) => {
  const old = join(folder, 'old');
  writeFileSync(old, 'kept');
  symlinkSync(old, join(folder, 'symlink'));
  symlinkSync('new', join(folder, 'to-new'));
  linkSync(old, join(folder, 'link'));
  expect(refused(args)).toContain(says);
  expect(readFileSync(old, 'utf8')).toBe('kept');
});

it.each([['--ndr'], ['--pdr', '1'], ['--rfc2544', 'throughput']])(
  'regression: streams with a count were searched, by their few frames: %s',
  (...search) => {
    writeFileSync(join(folder, 's.json'), '[{}, { "name": "few", "count": 5 }]');
    const says = 's.json: stream 1 (few): count: not with a search';
    expect(refused([...search, '--streams', 's.json'])).toContain(says);
  },
);

const ONCE = [
  'vdev',
  'allow',
  'replay',
  'streams',
  'compare',
  'json',
  'csv',
  'hgrm',
  'html',
  'gaps',
  'capture',
  'size',
];
it.each(ONCE)('regression: of two --%s the first was forgotten', (key) => {
  const said = refused([`--${key}`, 'a', `--${key}`, 'b']);
  expect(said).toBe(`vhost-pci-pktgen: --${key} 'b': It was given as 'a' already\n`);
});

it.each(['--vdev', '--allow'])('regression: an empty %s was refused without its name', (flag) => {
  expect(refused([flag, ''])).toBe(`vhost-pci-pktgen: ${flag} '': It is empty\n`);
});
