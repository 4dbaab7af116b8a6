// SPDX-License-Identifier: BSD-3-Clause
// The prompt driven through a terminal as DPDK's test suite drives it: a command and two line feeds, then
// lines until one ends in the prompt. The commands are those behind the calls of its API.
import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { nodeArguments } from '../../test/support/program.ts';
import { programMissing } from '../../test/support/program-missing.ts';
import { native } from '../native.ts';

const cpu = native.getAffinity().at(-1);
const OPTIONS = [`--lcores=0@${cpu},1@${cpu}`, '--vdev', 'net_null0', '--vdev', 'net_null1', '--', '-i'];
const PTY = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)';
const BOUND_MS = 30_000;

/** What DTS's InteractiveShell does. */
class Shell {
  readonly #child = spawn(
    'python3',
    ['-c', PTY, process.execPath, ...nodeArguments('src/testpmd/main.ts'), ...OPTIONS],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  readonly exit = new Promise((resolve) => this.#child.once('close', resolve));
  #rest = '';
  #lines: string[] = [];
  #more: () => void = () => {};

  constructor() {
    this.#child.stdout.on('data', (data) => {
      const pieces = (this.#rest + data).split('\n');
      this.#rest = pieces.pop() ?? '';
      this.#lines.push(...pieces);
      this.#more();
    });
  }

  /** Sends a command; returns what comes before the line that ends in the prompt. */
  async send(command: string): Promise<string> {
    this.#child.stdin.write(`${command}\n\n`);
    return this.#answer(command);
  }

  async #answer(command: string): Promise<string> {
    const answer: string[] = [];
    for (;;) {
      const line = this.#lines.shift() ?? (await this.#next(command));
      if (line.trimEnd().endsWith('testpmd>')) return answer.join('\n').replaceAll('\r', '');
      answer.push(line);
    }
  }

  /** What is typed before the prompt is there is taken once it is. */
  firstPrompt(): Promise<string> {
    this.type('\n');
    return this.#answer('the start');
  }

  /** Types without waiting for a prompt. */
  type(text: string): void {
    this.#child.stdin.write(text);
  }

  async #next(command: string): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no prompt after '${command}'`)), BOUND_MS);
      this.#more = () => {
        if (this.#lines.length === 0) return;
        clearTimeout(timer);
        resolve();
      };
      this.#more();
    });
    return this.#lines.shift() ?? '';
  }
}

/** Commands with what DTS looks for in their answers; null: nothing. */
const CALLS: readonly (readonly [command: string, wanted: string | null])[] = [
  ['show device info all', 'Device name: net_null1'],
  ['show port info 0', 'Link status: up'],
  ['show port info all', 'Infos for port 1'],
  ['show port info 9', 'Invalid port'],
  ['show port stats all', 'NIC statistics for port 1'],
  ['show port stats 9', 'Invalid port'],
  ...['io', 'mac', 'macswap', 'rxonly', 'csum', 'icmpecho', '5tswap', 'txonly', 'io'].map(
    (mode) => [`set fwd ${mode}`, `Set ${mode} packet forwarding mode`] as const,
  ),
  ['start', null],
  ['start', 'Packet forwarding already started'],
  ['stop', 'Done.'],
  ['start tx_first 32', null],
  ['stop', 'Done.'],
  ['stop', 'Packet forwarding not started'],
  ['clear port stats 0', 'NIC statistics for port 0 cleared'],
  ['clear port stats all', 'NIC statistics for port 1 cleared'],
  ['set promisc 0 off', null],
  ['show port info 0', 'Promiscuous mode: disabled'],
  ['set promisc 0 on', null],
  ['set allmulti 0 off', null],
  ['show port info 0', 'Allmulticast mode: disabled'],
  ['set allmulti 0 on', null],
  ['set verbose 1', 'Change verbose level from 0 to 1'],
  ['set verbose 0', 'Change verbose level from 1 to 0'],
  ['set portlist 0,1', null],
  ['mac_addr add 0 00:11:22:33:44:55', null],
  ['mac_addr remove 0 00:11:22:33:44:55', null],
  ['mac_addr set 0 02:11:22:33:44:55', null],
  ['mcast_addr add 0 01:00:5E:00:00:01', null],
  ['mcast_addr remove 0 01:00:5E:00:00:01', null],
  ['show rxq info 0 0', 'Rx queue state: started'],
  ['show txq info 0 0', 'Number of TXDs:'],
  ['show port 0 flow_ctrl', 'Failed to get current flow ctrl'],
  ['show port 0 rx_offload capabilities', 'Rx Offloading Capabilities of port 0 :'],
  ['show port 0 tx_offload capabilities', 'Tx Offloading Capabilities of port 0 :'],
  ['show port 0 rx_offload configuration', 'Queue[ 0] :'],
  ['show port 0 tx_offload configuration', 'Queue[ 0] :'],
  ['set flow_ctrl rx on tx on 300 50 10 0 mac_ctrl_frame_fwd off autoneg off 0', 'return code = -95'],
  [
    'flow validate 0 ingress pattern eth / ipv4 / udp / end actions queue index 0 / end',
    'Flow rule validated',
  ],
  [
    'flow create 0 ingress pattern eth / ipv4 / udp / end actions queue index 0 / end',
    'Flow rule #0 created',
  ],
  ['flow destroy 0 rule 0', 'Flow rule #0 destroyed'],
  ['rx_vxlan_port add 4789 0', 'udp tunneling add error'],
  ['rx_vxlan_port rm 4789 0', 'udp tunneling add error'],
  ['port 0 rxq 0 stop', null],
  ['show rxq info 0 0', 'Rx queue state: stopped'],
  ['port 0 rxq 0 setup', null],
  ['port 0 rxq 0 start', null],
  ['show rxq info 0 0', 'Rx queue state: started'],
  ['port 0 txq 0 stop', null],
  ['show txq info 0 0', 'Tx queue state: stopped'],
  ['port stop all', 'Done'],
  ['port config all rxq 2', null],
  ['port config all txq 2', null],
  ['port config all rxq 1', null],
  ['port config all txq 1', null],
  ['port config 0 rxq 0 ring_size 512', 'the peer chooses its ring sizes'],
  ['port 0 rxq 0 deferred_start on', null],
  ['show rxq info 0 0', 'RX deferred start: on'],
  ['port 0 rxq 0 deferred_start off', null],
  ['port config 0 tx_offload mbuf_fast_free on', null],
  ['port 0 txq 0 tx_offload mbuf_fast_free on', null],
  ...['ip', 'udp', 'tcp', 'sctp', 'outer-ip', 'outer-udp'].map(
    (layer) => [`csum set ${layer} hw 0`, 'checksum offload is'] as const,
  ),
  ['vlan set filter on 0', null],
  ['vlan set extend on 0', null],
  ['vlan set strip on 0', null],
  ['vlan set qinq_strip on 0', null],
  ['show port info 0', 'strip on, filter on, extend on, qinq strip on'],
  ['rx_vlan add 1 0', null],
  ['rx_vlan rm 1 0', null],
  ['tx_vlan set 0 1', null],
  ['tx_vlan reset 0', null],
  ['port config 0 rss reta (0,0)', 'The reta size of port 0 is 128'],
  ['port config all rss ip', "RSS mode isn't enabled"],
  ['port config 0 rss-hash-key ipv4 ABABAB', 'valid hash key size'],
  ['port start all', 'Done'],
  ['port stop all', 'Done'],
  ['port config mtu 0 1400', null],
  ['show port info 0', 'MTU: 1400'],
  ['port start all', 'Done'],
  ['show port summary all', 'Number of available ports: 2'],
  ['show port xstats all', 'NIC extended statistics for port 1'],
  ['port stop all', 'Done'],
  ['port close all', 'Port 1 is closed'],
];

it.skipIf(programMissing('python3', 'python3', 'test of a terminal'))(
  "answers every call of DPDK's test suite at a prompt that it recognises",
  async () => {
    const shell = new Shell();
    await shell.firstPrompt();
    for (const [command, wanted] of CALLS) {
      const answer = await shell.send(command);
      expect(answer, command).not.toMatch(/Bad arguments|Command not found|Ambiguous/);
      // The first answer begins with what was left of the prompt before.
      if (wanted !== null) expect(answer, command).toContain(wanted);
      else expect(answer, command).not.toMatch(/rror/);
    }
    shell.type('quit\n');
    expect(await shell.exit).toBe(0);
  },
);
