// SPDX-License-Identifier: BSD-3-Clause
// Frames of a capture file through a testpmd, ours or DPDK's, into another file.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCapture, writeCapture } from '../../src/drivers/pcap/pcap.test-help.ts';
import { native } from '../../src/native.ts';
import { Prompt } from './prompt.ts';
import { until } from './wait.ts';

export interface Passed {
  readonly sent: Uint8Array[];
  /** All that it printed. */
  readonly said: string;
}

export interface Passing {
  readonly frames: readonly Uint8Array[];
  /** Behind `--`. */
  readonly options?: readonly string[];
  /** Typed before start, and at the end. */
  readonly lines?: readonly string[];
  readonly then?: string;
  /** dpdk-testpmd. */
  readonly dpdk?: boolean;
}

export async function framesThrough({ frames, dpdk = false, ...what }: Passing): Promise<Passed> {
  const { options = [], lines = [], then = 'show fwd stats all' } = what;
  const folder = mkdtempSync(join(tmpdir(), 'vpci-frames-'));
  const [from, to] = [join(folder, 'from.pcap'), join(folder, 'to.pcap')];
  writeCapture(from, frames);
  const vdev = ['--vdev', `net_pcap0,rx_pcap=${from},tx_pcap=${to}`];
  const own = ['--', '-i', '--port-topology=loop', ...options];
  const testpmd = dpdk
    ? new Prompt([], () => [
        ...dpdkTestpmd(folder),
        ...vdev,
        ...own,
        '--total-num-mbufs=8192',
        '--no-flush-rx',
      ])
    : new Prompt(['--no-huge', '--no-telemetry', ...vdev, ...own]);
  try {
    await testpmd.prints('testpmd> ');
    for (const line of lines) testpmd.write(line);
    testpmd.write('start');
    const read = new RegExp(`RX-packets: ${frames.length} `);
    await until('all packets were read', () => {
      if (!read.test(testpmd.out)) testpmd.write('show port stats 0');
      return read.test(testpmd.out);
    }).catch((error) => {
      throw new Error(`${error.message}:\n${testpmd.out.slice(-3000)}`);
    });
    testpmd.write('stop');
    testpmd.write(then);
    testpmd.write('quit');
    await until('testpmd ends', () => !testpmd.running);
    return { sent: readCapture(to), said: testpmd.out };
  } finally {
    await testpmd.kill();
    rmSync(folder, { recursive: true });
  }
}

function dpdkTestpmd(folder: string): string[] {
  const cpus = native.getAffinity();
  const eal = [`--lcores=0@${cpus[0]},1@${cpus.at(-1)}`, '--no-huge', '-m', '256', '--no-pci'];
  return ['stdbuf', '-oL', 'dpdk-testpmd', ...eal, `--file-prefix=${folder.split('/').at(-1)}`];
}
