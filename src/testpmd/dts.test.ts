// SPDX-License-Identifier: BSD-3-Clause
// The prompt driven through a terminal as DPDK's test suite drives it: a command and two line feeds, then
// lines until one ends in the prompt. The commands are those behind the calls of its API.
import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { fed } from '../../test/support/fed.ts';
import { nodeArguments } from '../../test/support/program.ts';
import { programMissing } from '../../test/support/program-missing.ts';
import { native } from '../native.ts';

const cpu = native.getAffinity().at(-1);
const OPTIONS = [`--lcores=0@${cpu},1@${cpu}`, '--vdev', 'net_null0', '--vdev', 'net_null1', '--', '-i'];
const PTY = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)';
const BOUND_MS = 30_000;

/** What DTS's InteractiveShell does. */
class Shell {
  readonly #child = fed(
    spawn('python3', ['-c', PTY, process.execPath, ...nodeArguments('src/testpmd/main.ts'), ...OPTIONS], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
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

/** A call of DTS's API: the lines that it sends, each with what is wanted of the answer; null: no error. */
type Call = readonly [name: string, ...lines: (readonly [command: string, wanted: string | RegExp | null])[]];

const modes = (wanted: RegExp | string, ...names: string[]): Call[] =>
  names.map((mode) => [`set_forward_mode(${mode})`, [`set fwd ${mode}`, wanted]] as const);
const quietly = (name: string, command: string): Call => [name, [command, null]];
const info = (wanted: string | RegExp) => ['show port info 0', wanted] as const;
const UDP_RULE = 'ingress pattern eth / ipv4 / udp / end actions queue index 0 / end';

/** The 101 calls of the comparison with DPDK's testpmd, in its order. */
const CALLS: readonly Call[] = [
  ['get_devices', ['show device info all', 'Device name: net_null1']],
  ['wait_link_status_up', info('Link status: up')],
  ['show_port_info_all', ['show port info all', 'Infos for port 1']],
  ['show_port_info', info('Infos for port 0')],
  ['show_port_info(invalid id)', ['show port info 9', 'Invalid port']],
  ['show_port_stats_all', ['show port stats all', 'NIC statistics for port 1']],
  ['show_port_stats', ['show port stats 0', 'NIC statistics for port 0']],
  ['show_port_stats(invalid id)', ['show port stats 9', 'Invalid port']],
  ...modes(
    /packet forwarding mode/,
    'io',
    'mac',
    'macswap',
    'rxonly',
    'csum',
    'icmpecho',
    'ieee1588',
    '5tswap',
  ),
  ...modes(/packet forwarding mode/, 'shared-rxq', 'recycle_mbufs', 'txonly', 'flowgen', 'noisy', 'io'),
  ['start', ['start', null], ['start', 'Packet forwarding already started']],
  ['stop', ['stop', 'Done.']],
  quietly('start_tx_first(32)', 'start tx_first 32'),
  ['stop (2)', ['stop', 'Done.']],
  ['stop when stopped', ['stop', 'Packet forwarding not started']],
  ['clear_port_stats', ['clear port stats 0', 'NIC statistics for port 0 cleared']],
  ['clear_port_stats_all', ['clear port stats all', 'NIC statistics for port 1 cleared']],
  ['set_promisc(off)', ['set promisc 0 off', null], info('Promiscuous mode: disabled')],
  ['set_promisc(on)', ['set promisc 0 on', null], info('Promiscuous mode: enabled')],
  ['set_multicast_all(on)', ['set allmulti all on', null], info('Allmulticast mode: enabled')],
  ['set_multicast_all(off)', ['set allmulti all off', null], info('Allmulticast mode: disabled')],
  ['set_verbose', ['set verbose 1', 'Change verbose level from 0 to 1']],
  ['set_verbose(0)', ['set verbose 0', 'Change verbose level from 1 to 0']],
  quietly('set_portlist', 'set portlist 0,1'),
  quietly('set_mac_addr(add)', 'mac_addr add 0 00:11:22:33:44:55'),
  quietly('set_mac_addr(remove)', 'mac_addr remove 0 00:11:22:33:44:55'),
  ['set_mac_address', ['mac_addr set 0 02:11:22:33:44:55', null], info('MAC address: 02:11:22:33:44:55')],
  quietly('set_multicast_mac_addr(add)', 'mcast_addr add 0 01:00:5E:00:00:01'),
  quietly('set_multicast_mac_addr(remove)', 'mcast_addr remove 0 01:00:5E:00:00:01'),
  ['get_capabilities_rxq_info', ['show rxq info 0 0', 'RX scattered packets: on']],
  ['get_capabilities_show_port_info', info('Infos for port 0')],
  ['get_capabilities_selective_rx', info('Device capabilities:')],
  quietly('get_capabilities_mcast_filtering', 'mcast_addr add 0 01:00:5E:00:00:00'),
  ['get_capabilities_flow_ctrl', ['show port 0 flow_ctrl', 'Flow control infos']],
  ['get_capabilities_physical_function', info('Infos for port 0')],
  [
    'get_offload_capabilities(rx)',
    ['show port 0 rx_offload capabilities', /Per Port {2}:.* VLAN_STRIP.* SCATTER /],
  ],
  ['get_offload_capabilities(tx)', ['show port 0 tx_offload capabilities', 'MULTI_SEGS']],
  ['get_offload_config(rx)', ['show port 0 rx_offload configuration', 'Queue[ 0] :']],
  ['get_offload_config(tx)', ['show port 0 tx_offload configuration', 'Queue[ 0] :']],
  ['get_port_queue_info(rx)', ['show rxq info 0 0', 'Rx queue state: started']],
  ['get_port_queue_info(tx)', ['show txq info 0 0', 'Tx queue state: started']],
  ['get_queue_ring_size', ['show rxq info 0 0', /Number of RXDs: [1-9]/]],
  ['show_port_flow_info', ['show port 0 flow_ctrl', 'Flow control infos']],
  quietly('set_flow_control', 'set flow_ctrl rx on tx on 300 50 10 0 mac_ctrl_frame_fwd off autoneg off 0'),
  ['flow_validate', [`flow validate 0 ${UDP_RULE}`, 'Flow rule validated']],
  ['flow_create', [`flow create 0 ${UDP_RULE}`, 'Flow rule #0 created']],
  ['flow_delete', ['flow destroy 0 rule 0', 'Flow rule #0 destroyed']],
  quietly('rx_vxlan(add)', 'rx_vxlan_port add 4789 0'),
  quietly('rx_vxlan(rm)', 'rx_vxlan_port rm 4789 0'),
  ['stop_port_queue(rx)', ['port 0 rxq 0 stop', null], ['show rxq info 0 0', 'Rx queue state: stopped']],
  [
    'start_port_queue(rx)',
    ['port 0 rxq 0 setup', null],
    ['port 0 rxq 0 start', null],
    ['show rxq info 0 0', 'Rx queue state: started'],
  ],
  ['stop_port_queue(tx)', ['port 0 txq 0 stop', null], ['show txq info 0 0', 'Tx queue state: stopped']],
  [
    'start_port_queue(tx)',
    ['port 0 txq 0 setup', null],
    ['port 0 txq 0 start', null],
    ['show txq info 0 0', 'Tx queue state: started'],
  ],
  ['stop_all_ports', ['port stop all', /Done\s*$/]],
  ['set_ports_queues(2)', ['port config all rxq 2', null], ['port config all txq 2', null]],
  ['set_ports_queues(1)', ['port config all rxq 1', null], ['port config all txq 1', null]],
  quietly('setup_port_queue', 'port 0 rxq 0 setup'),
  [
    'set_queue_ring_size(rx,512)',
    ['port config 0 rxq 0 ring_size 512', null],
    ['port 0 rxq 0 setup', null],
    ['show rxq info 0 0', 'Number of RXDs: 512'],
  ],
  [
    'set_queue_deferred_start(on)',
    ['port 0 rxq 0 deferred_start on', null],
    ['show rxq info 0 0', 'RX deferred start: on'],
  ],
  [
    'set_queue_deferred_start(off)',
    ['port 0 rxq 0 deferred_start off', null],
    ['show rxq info 0 0', 'RX deferred start: off'],
  ],
  quietly('set_port_mbuf_fast_free', 'port config 0 tx_offload mbuf_fast_free on'),
  quietly('set_queue_mbuf_fast_free', 'port 0 txq 0 tx_offload mbuf_fast_free on'),
  ...['ip', 'udp', 'tcp', 'sctp', 'outer-ip', 'outer-udp'].map(
    (layer): Call => [
      `csum_set_hw(${layer})`,
      [`csum set ${layer} hw 0`, new RegExp(`^${layer} checksum offload is hw`, 'im')],
    ],
  ),
  ['set_vlan_filter', ['vlan set filter on 0', null], info('filter on')],
  ['set_vlan_extend', ['vlan set extend on 0', null], info('extend on')],
  ['set_vlan_strip', ['vlan set strip on 0', null], info('strip on, filter on')],
  ['set_qinq_strip', ['vlan set qinq_strip on 0', null], info('qinq strip on')],
  quietly('rx_vlan(add)', 'rx_vlan add 1 0'),
  quietly('rx_vlan(rm)', 'rx_vlan rm 1 0'),
  quietly('tx_vlan_set', 'tx_vlan set 0 1'),
  quietly('tx_vlan_set(reset)', 'tx_vlan reset 0'),
  quietly('port_config_rss_reta', 'port config 0 rss reta (0,0)'),
  quietly('port_config_all_rss_offload_type', 'port config all rss ip'),
  quietly('port_config_rss_hash_key', `port config 0 rss-hash-key ipv4 ${'AB'.repeat(40)}`),
  ['stop_all_ports (1)', ['port stop all', /Done\s*$/]],
  ['start_all_ports', ['port start all', /Done\s*$/]],
  ['set_port_mtu', ['port stop all', /Done\s*$/], ['port config mtu 0 1400', null], info('MTU: 1400')],
  ['set_port_mtu_all', ['port config mtu 0 1300', null], ['port config mtu 1 1300', null], info('MTU: 1300')],
  ['start_all_ports (2)', ['port start all', /Done\s*$/]],
  ['show port summary all', ['show port summary all', 'Number of available ports: 2']],
  ['show port xstats all', ['show port xstats all', 'NIC extended statistics for port 1']],
  ['stop_all_ports (2)', ['port stop all', /Done\s*$/]],
  ['close_all_ports', ['port close all', 'Port 1 is closed']],
];
/** The last call, `close (quit)`, ends the shell. */
const ALL = CALLS.length + 1;
/** As many as DPDK 22.11's testpmd has right on its best port, net_virtio_user. */
const WANTED = 76;
/**
 * The suite calls these wrong, as of any port without the operation: the mode needs a NIC's clock and is in
 * no testpmd of a distribution. The answers are those of dpdk-testpmd 22.11 on net_virtio_user and net_null.
 */
const REFUSED = new Map([
  ['set_forward_mode(ieee1588)', 'Bad arguments'],
  ['set_flow_control', 'bad flow control parameter, return code = -95'],
  ['rx_vxlan(add)', 'udp tunneling add error: (Operation not supported)'],
  ['rx_vxlan(rm)', 'udp tunneling add error: (Operation not supported)'],
]);
const REFUSAL =
  /error|fail|return code = -|not supported|isn't enabled|Invalid|Unknown|did not provide|the peer chooses|no effect/i;
const UNKNOWN = /Bad arguments|Command not found|Ambiguous/;

function isRight(answer: string, wanted: string | RegExp | null): boolean {
  if (UNKNOWN.test(answer)) return false;
  if (wanted === null) return !REFUSAL.test(answer);
  return typeof wanted === 'string' ? answer.includes(wanted) : wanted.test(answer);
}

it.skipIf(programMissing('python3', 'python3', 'test of a terminal'))(
  `answers the calls of DPDK's test suite at a prompt that it recognises, ${WANTED} or more of them right`,
  async () => {
    const shell = new Shell();
    await shell.firstPrompt();
    const wrong: string[] = [];
    const refused: string[] = [];
    for (const [name, ...lines] of CALLS) {
      for (const [command, wanted] of lines) {
        const answer = await shell.send(command);
        // The first answer begins with what was left of the prompt before.
        if (isRight(answer, wanted)) continue;
        const theirs = REFUSED.get(name);
        if (theirs !== undefined && answer.split('\n').includes(theirs)) refused.push(name);
        else wrong.push(name);
      }
    }
    shell.type('quit\n');
    expect(await shell.exit).toBe(0);
    const right = ALL - wrong.length - refused.length;
    console.log(
      `DTS: ${right} of ${ALL} calls right, ${refused.length} refused in DPDK's words; not: ${wrong.join(', ') || 'none'}`,
    );
    expect(ALL).toBe(101);
    expect(wrong).toEqual([]);
    expect(refused).toEqual([...REFUSED.keys()]);
    expect(right).toBeGreaterThanOrEqual(WANTED);
  },
);
