// SPDX-License-Identifier: BSD-3-Clause
// The same script to dpdk-testpmd and to ours, on net_null ports: what they print is the same, numbers and
// addresses aside. docs/dialect.md lists the differences, which the script leaves out.
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { native } from '../src/native.ts';
import { nodeArguments } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';

const cpus = native.getAffinity();
const LCORES = `--lcores=0@${cpus[0]},1@${cpus.at(-1)}`;
const COMMON = [LCORES, '--no-huge', '--no-pci', '--vdev=net_null0', '--vdev=net_null1'];
const OPTIONS = ['--', '-i', '--total-num-mbufs=4096'];

const SCRIPT = [
  'set fwd macswap retry',
  'set fwd csum',
  'set fwd 5tswap',
  'set fwd io',
  'set burst 16',
  'set burst 1000',
  'show config rxtx',
  'show config cores',
  'set txpkts 64,128',
  'set txpkts 20',
  'set txpkts 64',
  'set txsplit rand',
  'set txsplit foo',
  'show config txpkts',
  'set txsplit off',
  'show config txtimes',
  'set txtimes 1000,10',
  'set txtimes 1,2,3',
  'show config txtimes',
  'set txtimes 0,0',
  'set burst 0',
  'set burst 32',
  'set record-burst-stats on',
  'set record-burst-stats off',
  'set fwd csum',
  'start',
  'set port 0 gso on',
  'set gso segsz 800',
  'set port 0 gro on',
  'set gro flush 2',
  'stop',
  'set fwd noisy',
  'show config rxtx',
  'set fwd flowgen',
  'show config rxtx',
  'set fwd io',
  'show config rxpkts',
  'show config rxoffs',
  'show config rxhdrs',
  'set verbose 3',
  'set verbose 0',
  'set nbcore 7',
  'set nbport 7',
  'set corelist 1',
  'set corelist 5',
  'set coremask 2',
  'set portmask 1',
  'set portmask 3',
  'set portlist 0,1',
  'set default',
  'show port summary all',
  'show port 0 ptypes',
  'show port 0 mcast_macs',
  'show port 9 rx_offload capabilities',
  'show rxq info 9 0',
  'show rxq info 0 5',
  'show port 0 flow_ctrl',
  'set flow_ctrl rx on 0',
  'mcast_addr add 0 00:00:5E:00:00:01',
  'mac_addr set 0 01:00:00:00:00:01',
  'mac_addr set 0 00:00:00:00:00:00',
  'mac_addr set 0 02:00:00:00:00:01',
  'show port 0 macs',
  'rx_vlan add 5 0',
  'rx_vlan add 5000 0',
  'port config 0 rss reta (0,9)',
  'port config 0 rss reta (200,0)',
  'show port 0 rss reta 128 (0x3,0x0)',
  'show port 0 rss reta 4 (0x3)',
  'show port 0 rss reta 200 (3)',
  'show port 0 rss reta 128 (3)',
  'port config all rss frob',
  'flow list 0',
  'flow query 0 0 count',
  'flow destroy 0 rule 0',
  'flow flush 0',
  'port 0 rxq 9 stop',
  'port 9 rxq 0 stop',
  'rx_vxlan_port add 4789 0',
  'port config 0 udp_tunnel_port add vxlan 1',
  'csum show 0',
  'csum set tcp hw 0',
  'port config mtu 0 1400',
  'port config mtu 0 99999',
  'port config mtu 9 1400',
  'show port fdir 0',
  'show port dcb_tc 0',
  'show port tm cap 0',
  'show port meter cap 0',
  'port reset 0',
  'foo',
  'show port',
  'port stop all',
  'csum set ip sw 0',
  'csum show 0',
  'csum mac-swap off 0',
  'tx_vlan set 0 5000',
  'tx_vlan reset 0',
  'tx_vlan set pvid 0 5 on',
  'tx_vlan set pvid 0 5 off',
  'port 0 rxq 0 stop',
  'port 0 rxq 0 deferred_start on',
  'port 0 rxq 0 deferred_start off',
  'port 0 txq 3 deferred_start on',
  'tso show 0',
  'tunnel_tso set 800 0',
  'set gso segsz 10',
  'set gso segsz 800',
  'show port 0 gso',
  'show port 9 gso',
  'show port 0 gro',
  'set port 0 gro on',
  'set port 0 gro on',
  'show port 0 gro',
  'set gro flush 5',
  'set gro flush 2',
  'show port 0 gro',
  'set port 0 gro off',
  'set port 0 gro off',
  'show port 9 gro',
  'port start 1',
  'port stop 5',
];

/** stdout and stderr from the first command on; each is in order, but not the two together. */
function session(command: string, args: readonly string[]): { out: string[]; err: string[] } {
  const { stdout, stderr } = spawnSync(command, args, {
    input: `${SCRIPT.join('\n')}\nquit\n`,
    encoding: 'utf8',
    timeout: 60_000,
  });
  return {
    out: said(stdout.slice(stdout.indexOf('testpmd> '))),
    err: said(stderr.slice(stderr.lastIndexOf('testpmd: create'))),
  };
}

function said(text: string): string[] {
  return text
    .replaceAll('\r', '')
    .replaceAll(/([0-9A-F]{2}:){5}[0-9A-F]{2}/g, 'MAC')
    .replaceAll(/\b(\d+)\b/g, 'N')
    .replaceAll(/N( *)\n/g, 'N\n')
    .replaceAll(/packets: N +/g, 'packets: N ')
    .split('\n')
    .filter(
      (line) =>
        !/Sending 'stop_req'|preferred mempool|create a new mbuf|^Note: |^EAL|^$|port-topology=paired/.test(
          line,
        ),
    );
}

it.skipIf(programMissing('dpdk-testpmd', 'dpdk', 'comparison with dpdk-testpmd'))(
  'a script to dpdk-testpmd and to ours prints the same',
  () => {
    const real = session('stdbuf', [
      '-oL',
      'dpdk-testpmd',
      '-m',
      '256',
      '--file-prefix=golden',
      ...COMMON,
      ...OPTIONS,
    ]);
    const ours = session(process.execPath, [...nodeArguments('src/testpmd/main.ts'), ...COMMON, ...OPTIONS]);
    expect(ours.out).toEqual(real.out);
    expect(ours.err).toEqual(real.err);
    expect(Math.min(ours.out.length, ours.err.length)).toBeGreaterThan(20);
  },
);
