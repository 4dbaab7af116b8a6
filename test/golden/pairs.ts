// SPDX-License-Identifier: BSD-3-Clause
// The same ports for a dpdk-testpmd and for ours, by kind.
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeCapture } from '../../src/drivers/pcap/pcap.test-help.ts';
import { native } from '../../src/native.ts';
import { Testpmd } from '../support/dpdk.ts';
import { Namespace } from '../support/netns.ts';
import { nodeArguments } from '../support/program.ts';
import { frameOf } from '../support/section-files.ts';
import { startDeviceModel, type Tool } from '../support/tool.ts';
import { type Answer, transcript } from './transcript.ts';

const cpus = native.getAffinity();
const EAL = [`--lcores=0@${cpus[0]},1@${cpus.at(-1)}`, '--no-huge', '--no-pci', '--no-telemetry'];
const OPTIONS = ['--', '-i', '--total-num-mbufs=4096'];
const REAL = ['-m', '256', `--file-prefix=golden${process.pid}`];
const OURS = [process.execPath, ...nodeArguments('src/testpmd/main.ts')];
const FRAMES = Array.from({ length: 40 }, (_, i) => frameOf(60 + i * 20, i));

/** Two ports. */
interface Ports {
  readonly vdevs: readonly string[];
  /** Before the command line. */
  readonly within?: readonly string[];
  /** Once they are open: resolves when their peer is there. */
  ready?(): Promise<void>;
  close?(): Promise<void> | void;
}

type Who = 'ours' | 'theirs';

/** Ports by kind, for each of both. */
export const PAIRS: Readonly<Record<string, (who: Who, folder: string) => Promise<Ports>>> = {
  net_null: async () => ({ vdevs: ['net_null0', 'net_null1'] }),
  net_tap: async () => {
    const space = new Namespace();
    return {
      vdevs: ['net_tap0,iface=left', 'net_tap1,iface=right'],
      within: inside(space),
      close: () => space.close(),
    };
  },
  net_pcap: async (_, folder) => {
    const file = (name: string) => join(folder, `${name}.pcap`);
    for (const name of ['a', 'b']) writeCapture(file(name), FRAMES);
    const files = (name: string) => `rx_pcap=${file(name)},tx_pcap=${file(`${name}-out`)}`;
    return { vdevs: [`net_pcap0,${files('a')}`, `net_pcap1,${files('b')}`] };
  },
  net_pcap_iface: async () => {
    const space = new Namespace();
    space.ip('link', 'add', 'left', 'type', 'veth', 'peer', 'name', 'right');
    for (const name of ['left', 'right']) space.ip('link', 'set', name, 'up');
    return {
      vdevs: ['net_pcap0,iface=left', 'net_pcap1,iface=right'],
      within: inside(space),
      close: () => space.close(),
    };
  },
  live,
};

const inside = ({ name }: Namespace) => ['ip', 'netns', 'exec', name];

/**
 * DPDK's virtio-net driver as the peer, which sends back what it receives: of net_vhost, or of a device
 * model.
 */
async function live(who: Who, folder: string): Promise<Ports> {
  const vhostUser = join(folder, `${who}.sock`);
  const vfioUser = join(folder, 'vfio.sock');
  let device: Tool | undefined;
  if (who === 'ours') device = await startDeviceModel({ vhostUser, vfioUser, queues: 1 });
  let peer: Testpmd | undefined;
  return {
    vdevs: [
      device ? `net_vhost_pci0,path=${vfioUser}` : `net_vhost0,iface=${vhostUser},queues=1`,
      'net_null1',
    ],
    ready: async () => {
      peer = Testpmd.start({
        vdevs: [`net_virtio_user0,path=${vhostUser},queues=1`],
        hugepages: false,
        testpmd: ['--forward-mode=macswap', '--auto-start'],
        maxRunMs: 180_000,
      });
      await peer.waitFor('Press enter to exit');
    },
    close: async () => {
      await peer?.stop();
      await device?.kill();
    },
  };
}

/** What ours, or another testpmd by the start of its command line, answers to a script on ports of a kind. */
export async function answersOn(
  kind: string,
  script: readonly string[],
  theirs?: readonly string[],
): Promise<Answer[]> {
  const make = PAIRS[kind];
  if (!make) throw new RangeError(`no ports ${kind}`);
  // Devices have it in their arguments, which are shown: it is the same for both.
  const folder = join(tmpdir(), `vpci-golden-${process.pid}`);
  mkdirSync(folder);
  const { vdevs, within = [], ready, close } = await make(theirs ? 'theirs' : 'ours', folder);
  try {
    const devices = vdevs.flatMap((vdev) => ['--vdev', vdev]);
    const program = theirs ? ['stdbuf', '-o0', ...theirs, ...REAL] : OURS;
    return await transcript([...within, ...program, ...EAL, ...devices, ...OPTIONS], script, ready);
  } finally {
    await close?.();
    rmSync(folder, { recursive: true });
  }
}
