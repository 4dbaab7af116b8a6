// SPDX-License-Identifier: BSD-3-Clause
// README's commands, typed as printed, except for the sockets' folder. Each line is typed here, or by the
// test that ELSEWHERE names.
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../src/native.ts';
import { latestOf } from '../tools/run/testpmd-output.ts';
import { dpdkMissing } from './support/dpdk.ts';
import { Namespace, tapMissing } from './support/netns.ts';
import { ROOT } from './support/program.ts';
import { commandLines, Shell, type Typed } from './support/typed.ts';
import { until } from './support/wait.ts';

/** What runs a line that no test types: another test, or CI, which is itself such a line. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'npm ci && npm start': 'test/start.test.ts',
  'npm start -- --symmetric --unidirectional': 'test/start.test.ts',
  'npm run test:all': '.ci/run',
  'npm run vm': 'test/vm/npm-run-vm.test.ts',
  'npm run test:vm': 'test/vm/npm-run-vm.test.ts',
  'vhost-pci-devbind --status-dev net': 'test/vm/npm-run-vm.test.ts',
  'vhost-pci-testpmd -l 0,1 --no-huge -a 0000:00:05.0 -- -i --forward-mode=icmpecho --auto-start':
    'test/vm/npm-run-vm.test.ts',
  'ip address add 10.0.0.2/24 dev eth0; ip link set eth0 up': 'test/vm/npm-run-vm.test.ts',
  'ping -c 3 10.0.0.1': 'test/vm/npm-run-vm.test.ts',
  'npm run build:addon': '.ci/run',
  'npm run build': '.ci/run',
  'npm run lint': '.ci/run',
  'npm run typecheck': '.ci/run',
  'npx vitest run src/virtio': '.ci/run',
  'npm test': '.ci/run',
  'make -C test/ring check': 'test/ring-sanitizers.test.ts',
  '.ci/run': '.ci/run',
};
/** The suites take minutes each: test/bench.test.ts and bench-report.test.ts run them with less traffic. */
const BENCH =
  /^node dist\/tools\/bench\/main\.js (loopback|in-place|latency|telemetry|limit|memif|ovs|chain|pktgen|report)\b/;

const DEVICE = 'node dist/tools/device/main.js --vhost-user /tmp/vhost.sock --vfio-user /tmp/vfio.sock';
const PEER = 'node dist/tools/peer/main.js --vhost-user /tmp/vhost.sock --cpu 1 --stats-period 1';
const lines = commandLines('README.md');
const typed = new Set<string>();
/** The one line with these words. */
function line(...words: string[]): string {
  const found = lines.filter((text) => words.every((word) => text.includes(word)));
  if (found.length !== 1) throw new Error(`README has ${found.length} lines with ${words.join(' and ')}`);
  typed.add(found[0] as string);
  return found[0] as string;
}

const device = line(DEVICE);
const peer = line(PEER);
const dpdk = line('dpdk-testpmd');
const driver = line('testpmd/main.js', 'net_vhost_pci0', 'macswap', 'dist');
const [tapDriver, tapAddress] = [line('testpmd/main.js', 'net_tap0'), line('ip address', 'dev tap0')];
const piped = line('sleep 1; echo stop');
const generators = [line('pktgen/main.js', '1mpps'), line('pktgen/main.js', 'imix')];
const capture = line('dumpcap/main.js');
const search = line('pktgen/main.js', '--ndr');
const [forward, forwardNull] = [line('forward.ts', 'net_vhost_pci0'), line('forward.ts', 'net_null0')];

const fewCpus = [0, 1].some((cpu) => !native.getAffinity().includes(cpu)) && 'its lines name CPUs 0 and 1';

let shell: Shell;
beforeEach(() => {
  shell = new Shell();
});
afterEach(() => shell.close());

/** Waits until the prompt's port 0 has received and sent. */
async function passes(pmd: Typed): Promise<void> {
  await shell.prints(pmd, /testpmd> /);
  await until('packets pass both ways', () => {
    pmd.child.stdin?.write('show port stats 0\n');
    const totals = latestOf(pmd.output, 0);
    return Math.min(totals?.rxPackets ?? 0, totals?.txPackets ?? 0) > 1000;
  }).catch((error) => {
    throw new Error(`${error.message}:\n${pmd.output.slice(-2000)}`);
  });
}

async function startDevice(): Promise<void> {
  await shell.prints(shell.type(device), /ready/);
}

describe.skipIf(fewCpus)("README's commands", () => {
  it('exchange packets with the built-in peer', async () => {
    await startDevice();
    const sender = shell.type(peer);
    await passes(shell.type(driver));
    await shell.prints(sender, /received [1-9]\d{3}/);
    expect(sender.output).not.toMatch(/bad (checksum|frames) [1-9]/);
  });

  it('capture packets', async () => {
    await startDevice();
    shell.type(peer);
    await passes(shell.type(driver));
    const dumpcap = shell.type(capture);
    await shell.prints(dumpcap, /Packets captured: 1000\n/);
    expect(existsSync(join(shell.folder, 'packets.pcapng'))).toBe(true);
  });

  it.skipIf(dpdkMissing())('exchange packets with DPDK', async () => {
    await startDevice();
    const sender = shell.type(dpdk);
    await passes(shell.type(driver));
    await shell.prints(sender, /TX-packets: [1-9]\d{3}/);
    await shell.prints(sender, /RX-packets: [1-9]\d{3}/);
    expect(sender.child.exitCode).toBe(null);
  });

  it('forward for some seconds, with a device and without', async () => {
    await startDevice();
    const sender = shell.type(peer);
    const application = shell.type(forward);
    await shell.prints(application, /forwarded [1-9]/);
    await once(application.child, 'close');
    expect([application.child.exitCode, sender.child.exitCode]).toEqual([0, null]);
    await shell.interrupt(sender);
    const other = shell.type(forwardNull);
    await once(other.child, 'close');
    expect([other.child.exitCode, other.output]).toEqual([0, expect.stringMatching(/^(forwarded .*\n)+$/)]);
  });

  it.each(generators)('generate traffic: %s', async (text) => {
    const generator = shell.type(text);
    await once(generator.child, 'close');
    expect([generator.child.exitCode, generator.output]).toEqual([
      0,
      expect.stringMatching(/^received [1-9]\d+, lost 0 \(0 %\)/m),
    ]);
    rmSync(join(ROOT, 'pktgen.json'), { force: true });
  });

  it('find a rate', async () => {
    const finder = shell.type(search);
    await shell.prints(finder, /^searching below .*$/m);
    // A trial that other work disturbs says so in place of its loss.
    await shell.prints(finder, /^ +[\d.]+ [kM]?pps: \S/m);
    await shell.interrupt(finder);
    expect(finder.output).toMatch(/^NDR: /m);
  });

  it('stop from a pipe', async () => {
    const pmd = shell.type(piped);
    await once(pmd.child, 'close');
    expect([pmd.child.exitCode, pmd.output]).toEqual([0, expect.stringContaining('Bye...')]);
  });

  it.skipIf(tapMissing())('reach the network stack through a tap', async () => {
    const kernel = new Namespace();
    const inside = (words: string[]) => ['ip', 'netns', 'exec', kernel.name, ...words];
    try {
      await startDevice();
      const pmd = shell.type(tapDriver, inside);
      await shell.prints(pmd, /testpmd> /);
      const address = shell.type(tapAddress, inside);
      await once(address.child, 'close');
      expect([address.child.exitCode, address.output]).toEqual([0, '']);
      expect(kernel.ip('address', 'show', 'dev', 'tap0')).toContain('10.0.0.1/24');
    } finally {
      await shell.close();
      kernel.close();
      shell = new Shell();
    }
  });
});

describe('README.md', () => {
  it('prints no command that is not typed by a test', () => {
    const known = (text: string) => typed.has(text) || text in ELSEWHERE || BENCH.test(text);
    expect(lines.filter((text) => !known(text))).toEqual([]);
    expect(Object.keys(ELSEWHERE).filter((text) => !lines.includes(text))).toEqual([]);
    for (const path of Object.values(ELSEWHERE)) expect(existsSync(join(ROOT, path)), path).toBe(true);
  });
});
