// SPDX-License-Identifier: BSD-3-Clause
// Refused: settings of ports that these ports do not have.
import type { Session } from '../session.ts';
import type { Command } from './grammar.ts';
import { type Answer, type Group, rows, whenStopped } from './refused.ts';

const NOT_SUPPORTED = 'Operation not supported';
const SPEEDS = '10|100|1000|2500|5000|10000|25000|40000|50000|100000|200000|400000|800000|auto';

const ports: readonly Group[] = [
  [
    'Speed and duplex.',
    whenStopped(NOT_SUPPORTED),
    `
    port config all speed ${SPEEDS} duplex half|full|auto
    port config id=<u16> speed ${SPEEDS} duplex half|full|auto
    port config all speed_lanes <uint>
    port config id=<u16> speed_lanes <uint>
  `,
  ],
  [
    'Loopback.',
    whenStopped(NOT_SUPPORTED),
    'port config all loopback <uint>\nport config id=<u16> loopback <uint>',
  ],
  [
    'Settings of all ports.',
    whenStopped(NOT_SUPPORTED),
    `
    port config all max-pkt-len|max-lro-pkt-size <uint>
    port config all drop-en on|off
    port config all txpt|txht|txwt|rxpt|rxht|rxwt <u8>
    port config all txfreet|txrst|rxfreet <u16>
  `,
  ],
  ['Traffic classes.', whenStopped(NOT_SUPPORTED), 'port config id=<u16> dcb vt on|off <u8> pfc <rest>'],
  [
    'Ports of tunnels.',
    'udp tunneling add error: (Operation not supported)',
    'rx_vxlan_port add|rm <u16> id=<u16>',
  ],
  [
    'Ports of tunnels.',
    'udp tunneling port add error: (Operation not supported)',
    'port config id=<u16> udp_tunnel_port add|rm vxlan|geneve|vxlan-gpe|ecpri <u16>',
  ],
  ['Dynamic fields of a port.', NOT_SUPPORTED, 'port id=<u16> enable|disable <rest>'],
  [
    'Metadata of sent packets.',
    NOT_SUPPORTED,
    'port config id=<u16> tx_metadata <uint>\nport config id=<u16> dynf <text> set|clear',
  ],
  [
    'Free sent packets.',
    'Failed to get port {id} Tx queue {queue} info',
    'port cleanup id=<u16> txq queue=<u16> <uint>',
  ],
  ['Affinity of a queue.', NOT_SUPPORTED, 'port config id=<u16> txq <u16> affinity <u8>'],
];

const display: readonly Group[] = [
  [
    'Display representors.',
    'Failed to get the number of representor info ranges for port {id}: Operation not supported',
    'show port info id=<u16> representor',
  ],
  ['Display EEPROMs.', 'operation not supported by device', 'show port id=<u16> module_eeprom|eeprom'],
  [
    'Display a descriptor.',
    NOT_SUPPORTED,
    `
    read rxd|txd id=<u16> <u16> <u16>
    show port id=<u16> rxq|txq <u16> desc <u16> status
    show port id=<u16> rxq|txq <u16> desc used count
  `,
  ],
  ['Display metadata.', NOT_SUPPORTED, 'show port id=<u16> tx_metadata'],
  [
    'Display forward error correction.',
    'Function not implemented',
    'show port id=<u16> fec capabilities\nshow port id=<u16> fec_mode',
  ],
  [
    'Display the port for transfer rules.',
    '\nFailed to pick transfer proxy: Function not implemented',
    'show port id=<u16> flow transfer proxy',
  ],
  [
    'Display lanes and rates.',
    NOT_SUPPORTED,
    'show port id=<u16> speed_lanes capabilities\nshow port id=<u16> queue <u16> rate',
  ],
  [
    'Display flow director.',
    ids((id) => `\n FDIR is not supported on port ${id}`),
    'show|clear port fdir id=<port>',
  ],
  [
    'Display traffic classes.',
    ids((id) => `\n Failed to get dcb infos on port ${id}`),
    'show|clear port dcb_tc id=<port>\nshow config dcbfwdtc',
  ],
];

function ids(answer: (id: number) => string): Answer {
  return ({ ports: { open } }, { id = 'all' }) =>
    open
      .filter((port) => id === 'all' || port.id === Number(id))
      .map((port) => answer(port.id))
      .join('\n');
}

export const refusedPortCommands: readonly Command<Session>[] = [
  ...rows('ports', ports),
  ...rows('display', display),
];
