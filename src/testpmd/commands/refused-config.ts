// SPDX-License-Identifier: BSD-3-Clause
// Refused: settings of filters, limits and packet work that these ports do not have.
import type { Session } from '../session.ts';
import type { Command } from './grammar.ts';
import { type Group, rows, whenStopped } from './refused.ts';

const NOT_SUPPORTED = 'Operation not supported';

const config: readonly Group[] = [
  [
    'Flow control.',
    'cannot get current flow ctrl parameters, return code = -95',
    `
    set flow_ctrl rx|tx|mac_ctrl_frame_fwd|autoneg on|off id=<u16>
    set flow_ctrl high_water|low_water <uint> id=<u16>
    set flow_ctrl pause_time|send_xon <u16> id=<u16>
  `,
  ],
  [
    'Flow control.',
    'bad flow control parameter, return code = -95',
    'set flow_ctrl rx on|off tx on|off <uint> <uint> <u16> <u16> mac_ctrl_frame_fwd on|off autoneg on|off id=<u16>',
  ],
  [
    'Priority flow control.',
    'bad priority flow control parameter, return code = -95',
    'set pfc_ctrl rx on|off tx on|off <uint> <uint> <u16> <u8> id=<u16>',
  ],
  [
    'Priority flow control of a queue.',
    'bad queue priority flow control parameter, rc = -95',
    'set pfc_queue_ctrl id=<u16> rx on|off <u16> <u8> tx on|off <u16> <u8> <u16>',
  ],
  ['Bring the link up.', '\nSet link up fail.', 'set link-up port id=<u16>'],
  ['Take the link down.', '\nSet link down fail.', 'set link-down port id=<u16>'],
  [
    'Statistics counters of queues.',
    (_, { what }) => `failed to set ${what} queue stats mapping.`,
    'set stat_qmap what=tx|rx id=<u16> <u16> <u8>',
  ],
  [
    'Unicast hash filter.',
    'bad unicast hash table parameter, return code = -95',
    'set port id=<u16> uta all on|off',
  ],
  [
    'Unicast hash filter.',
    'bad unicast hash table parameter, return code = -95',
    'set port id=<u16> uta <mac> on|off',
  ],
  ['Traffic of a virtual function.', NOT_SUPPORTED, 'set port id=<u16> vf <u8> tx|rx on|off'],
  [
    'Receive mode of a virtual function.',
    'bad VF receive mode parameter, return code = -95',
    'set port id=<u16> vf <u8> rxmode AUPE|ROPE|BAM|MPE on|off',
  ],
  [
    'Rate limit of a virtual function.',
    'vf_rate_limit_cmd error: (Operation not supported)',
    'set port id=<u16> vf <u8> rate <uint> queue_mask <u64>',
  ],
  [
    'Rate limit of a queue.',
    'queue_rate_limit_cmd error: (Operation not supported)',
    'set port id=<u16> queue <u8> rate <uint>',
  ],
  [
    'Threshold of free descriptors.',
    'rxq_avail_thresh_cmd error: (Operation not supported)',
    'set port id=<u16> rxq <u16> avail_thresh <u8>',
  ],
  ['Forward error correction.', 'Function not implemented', 'set port id=<u16> fec_mode <text>'],
  ['Packet types.', "Port {id} doesn't support any ptypes.", 'set port id=<u16> ptype_mask <uint>'],
  ['Identification by the LED.', NOT_SUPPORTED, 'set port id=<u16> led on|off'],
  ['EEPROM.', NOT_SUPPORTED, 'set port id=<u16> eeprom accept_risk magic <uint> value <rest>'],
  ['Where the events of new ports come from.', NOT_SUPPORTED, 'set port setup on iterator|event'],
  ['Traffic classes.', NOT_SUPPORTED, 'set dcb fwd_tc|fwd_tc_cores <u8>'],
  ['States of extended statistics.', NOT_SUPPORTED, 'set xstats-show-state|xstats-hide-disabled on|off'],
  ['Flush receive queues before forwarding.', NOT_SUPPORTED, 'set flush_rx on|off'],
  ['Log levels.', NOT_SUPPORTED, 'set log <text> <uint>'],
  ['Split of received packets.', NOT_SUPPORTED, 'set rxoffs|rxpkts|rxhdrs <text>'],
  [
    'MAC addresses of a port.',
    'mac_addr_cmd error: (Operation not supported)',
    'mac_addr add|remove|set id=<u16> <mac>',
  ],
  [
    'MAC address of a virtual function.',
    'vf_mac_addr_cmd error: (Operation not supported)',
    'mac_addr add port id=<u16> vf <u8> <mac>',
  ],
  [
    'Multicast filter.',
    (_, { mac, id }) =>
      Number.parseInt(mac.slice(0, 2), 16) % 2 === 0
        ? `Invalid multicast addr ${mac.toUpperCase()}`
        : `rte_eth_dev_set_mc_addr_list(port=${id}, nb=1) failed. diag=-95`,
    'mcast_addr add id=<u16> mac=<mac>',
  ],
  ['Multicast filter.', 'multicast address not filtered by port {id}', 'mcast_addr remove id=<u16> <mac>'],
  [
    'Multicast filter.',
    'rte_eth_dev_set_mc_addr_list(port={id}, nb=0) failed. diag=-95',
    'mcast_addr flush id=<u16>',
  ],
  [
    'VLAN filter of received packets.',
    'Port {id}: VLAN-filtering disabled\nrte_eth_dev_vlan_filter(port_pi={id}, vlan_id={vlan}, on=1) failed diag=-38',
    'rx_vlan add vlan=<u16> id=<u16>\nrx_vlan rm vlan=<u16> id=<u16>\nrx_vlan add|rm vlan=all id=<u16>',
  ],
  [
    'VLAN stripping, filter and extension.',
    'rx_vlan_{what}_set(port_pi={id}, on=1) failed diag=-22',
    'vlan set what=strip|filter|qinq_strip|extend on|off id=<u16>',
  ],
  ['VLAN stripping of a queue.', NOT_SUPPORTED, 'vlan set stripq on|off <text>'],
  [
    'TPID of a tag.',
    'tx_vlan_tpid_set(port_pi={id}) failed diag=-95',
    'vlan set inner|outer tpid <u16> id=<u16>',
  ],
  [
    'Insert tags.',
    whenStopped('Error: vlan insert is not supported by port {id}'),
    'tx_vlan set id=<u16> <u16>\ntx_vlan set id=<u16> <u16> <u16>\ntx_vlan set pvid id=<u16> <u16> on|off\ntx_vlan reset id=<u16>',
  ],
  [
    'Tunnel segmentation.',
    whenStopped("Error: port={id} don't support tunnel TSO offloads."),
    'tunnel_tso set <u16> id=<u16>\ntunnel_tso show id=<u16>',
  ],
  [
    'Memory and tables of the EAL.',
    NOT_SUPPORTED,
    `
    dump_physmem|dump_memzone|dump_socket_mem|dump_struct_sizes|dump_log_types|dump_ring|dump_mempool
    dump_ring|dump_mempool <text>
    dump physmem|socket_mem|memzone|struct_sizes|ring|mempool|trace|log_types
    dump ring|mempool <text>
    dump mbuf <rest>
  `,
  ],
];

export const refusedConfigCommands: readonly Command<Session>[] = rows('config', config);
