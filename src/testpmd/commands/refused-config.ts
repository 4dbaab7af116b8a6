// SPDX-License-Identifier: BSD-3-Clause
// Refused: settings of filters, limits and packet work that these ports do not have.
import type { Session } from '../session.ts';
import type { Command } from './grammar.ts';
import { type Group, rows, whenStopped } from './refused.ts';

const NOT_SUPPORTED = 'Operation not supported';

const config: readonly Group[] = [
  [
    'Flow control, which no port has.',
    'bad flow control parameter, return code = -95',
    `
    set flow_ctrl mac_ctrl_frame_fwd|autoneg on|off id=<u16>
    set flow_ctrl high_water|low_water <uint> id=<u16>
    set flow_ctrl pause_time|send_xon <u16> id=<u16>
  `,
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
  [
    'Flush receive queues before forwarding.',
    'Note: flush_rx has no effect: queues are not flushed before forwarding',
    'set flush_rx on|off',
  ],
  ['Log levels.', 'Note: log levels have no effect: messages have no levels', 'set log <text> <uint>'],
  ['Split of received packets.', NOT_SUPPORTED, 'set rxoffs|rxpkts|rxhdrs <text>'],
  [
    'MAC address of a virtual function.',
    'vf_mac_addr_cmd error: (Operation not supported)',
    'mac_addr add port id=<u16> vf <u8> <mac>',
  ],
  [
    'VLAN stripping of a queue.',
    (_, { place }) => {
      const [id, queue] = place.split(',');
      return queue === undefined || queue === ''
        ? 'must specify (port,queue_id)'
        : `rx_vlan_strip_set_on_queue(port_pi=${id}, queue_id=${queue}) failed diag=-95`;
    },
    'vlan set stripq on|off place=<text>',
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
