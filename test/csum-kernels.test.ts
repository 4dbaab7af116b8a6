// SPDX-License-Identifier: BSD-3-Clause
// Mode csum with TSO, GSO and GRO between two kernels: what they send each other arrives, and their own
// checks of checksums find no fault.
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { interfaceName, Namespace, tapMissing } from './support/netns.ts';
import { ROOT } from './support/program.ts';
import { Prompt } from './support/prompt.ts';

const BYTES = 4 << 20;
const node = (script: string) => [process.execPath, join(ROOT, 'test/support', script)];

let kernels: [Namespace, Namespace];
let prompt: Prompt;

/** Both ends of a TCP transfer; their digests. */
async function transfer(from: Namespace, to: Namespace, host: string): Promise<string[]> {
  const program = node('tcp-transfer.mjs');
  const receiver = to.start(...program, 'receive', '5001');
  let got = '';
  receiver.stdout?.setEncoding('utf8').on('data', (text: string) => {
    got += text;
  });
  const ended = once(receiver, 'close');
  while (!got.includes('listening')) await once(receiver.stdout as NodeJS.ReadableStream, 'data');
  const sent = await from.runAsync(...program, 'send', host, '5001', String(BYTES), '5');
  await ended;
  return [sent.trim(), got.replace('listening', '').trim()];
}

/** Datagrams, each `step` bytes longer, returned by the other end; how many of 64 came back unchanged. */
async function datagrams(step: number): Promise<number> {
  const [left, right] = kernels;
  const server = right.start(...node('udp-exchange.mjs'), 'serve', '5002');
  await once(server.stdout as NodeJS.ReadableStream, 'data');
  const said = await left.runAsync(...node('udp-exchange.mjs'), '10.99.0.2', '5002', String(step));
  return Number(/\d+/.exec(said)?.[0]);
}

/** A kernel's counter, by the name of its protocol: /proc/net/snmp. */
function counter(kernel: Namespace, protocol: string, name: string): number {
  const [names = '', values = ''] = kernel
    .run('cat', '/proc/net/snmp')
    .split('\n')
    .filter((line) => line.startsWith(`${protocol}:`));
  return Number(values.split(' ')[names.split(' ').indexOf(name)]);
}

async function start(devargs: string, mtu: number, lines: readonly string[]): Promise<void> {
  const names = [interfaceName(), interfaceName()] as const;
  const vdevs = names.flatMap((iface, i) => ['--vdev', `net_tap${i},iface=${iface}${devargs}`]);
  prompt = new Prompt(['--no-telemetry', ...vdevs, '--', '-i', '--forward-mode=csum']);
  await prompt.prints('testpmd> ');
  for (const line of [
    'port stop all',
    ...lines,
    'csum mac-swap off 0',
    'csum mac-swap off 1',
    'port start all',
  ])
    await prompt.say(line);
  await prompt.say('start');
  for (const [i, kernel] of kernels.entries()) kernel.adopt(names[i] as string, `10.99.0.${i + 1}/24`, mtu);
}

const both = (line: string) => [0, 1].map((port) => line.replace('N', String(port)));

/** Frames that port 1 sent, by size. */
async function sizes(): Promise<{ upTo1023: number; longer: number; long: number }> {
  const text = await prompt.say('show port xstats 1');
  const count = (name: string) => Number(new RegExp(`tx_q0_size_${name}_packets: (\\d+)`).exec(text)?.[1]);
  return {
    upTo1023: count('512_1023'),
    longer: count('1024_1518') + count('1519_max'),
    long: count('1519_max'),
  };
}

describe.skipIf(tapMissing())('between two kernels, mode csum', () => {
  beforeEach(() => {
    kernels = [new Namespace(), new Namespace()];
  });
  afterEach(async () => {
    await prompt.kill();
    for (const kernel of kernels) kernel.close();
  });

  it.each([
    ['sets checksums in software', ',csum=0', [], () => true],
    ['leaves them to the port', '', [...both('csum set tcp hw N'), ...both('csum set udp hw N')], () => true],
    [
      'cuts what a kernel left to be segmented into short segments (GSO)',
      '',
      [...both('set port N gso on'), 'set gso segsz 700'],
      ({ upTo1023, longer }) => upTo1023 > 1000 && longer === 0,
    ],
    [
      'merges segments that it receives, for a kernel that takes large ones (GRO)',
      ',csum=0',
      [...both('set port N gro on'), 'set gro flush 4'],
      ({ long }) => long > 0,
    ],
    ['has the port segment (TSO)', '', both('tso set 500 N'), ({ long }) => long > 0],
  ] as readonly (readonly [
    string,
    string,
    readonly string[],
    (sent: Awaited<ReturnType<typeof sizes>>) => boolean,
  ])[])('%s', async (_, devargs, lines, expected) => {
    await start(devargs, 1500, lines);
    const [sent, received] = await transfer(kernels[0], kernels[1], '10.99.0.2');
    expect(received).toBe(sent);
    expect(await datagrams(23)).toBe(64);
    for (const kernel of kernels)
      for (const protocol of ['Tcp', 'Udp']) expect(counter(kernel, protocol, 'InCsumErrors')).toBe(0);
    const seen = await sizes();
    expect([seen, expected(seen)]).toEqual([seen, true]);
    expect(await prompt.say('stop')).toMatch(/TX-dropped: 0 [\s\S]*Done\./);
  });

  it('cuts datagrams into fragments, which a kernel puts together (GSO)', async () => {
    await start('', 9000, [...both('set port N gso on'), 'set gso segsz 1514']);
    expect(await datagrams(131)).toBe(64);
    for (const kernel of kernels) {
      expect(counter(kernel, 'Ip', 'ReasmOKs')).toBeGreaterThanOrEqual(40);
      expect([counter(kernel, 'Udp', 'InCsumErrors'), counter(kernel, 'Ip', 'ReasmFails')]).toEqual([0, 0]);
    }
    expect((await sizes()).long).toBe(0);
  });
});
