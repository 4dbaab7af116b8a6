// SPDX-License-Identifier: BSD-3-Clause
// Refused: the commands of single port drivers (bonding, i40e, ixgbe) and of virtual functions.
import type { Session } from '../session.ts';
import type { Command } from './grammar.ts';
import { refused, whenStopped } from './refused.ts';

const section = 'drivers';
const NONE = 'function not implemented';
const BONDING = 'Bonding.';
const BYPASS = 'Bypass of ixgbe.';

export const driverCommands: readonly Command<Session>[] = [
  ...refused(
    section,
    'Virtual functions and settings of i40e and ixgbe.',
    NONE,
    `
    set vf vlan antispoof|stripq|insert id=<u16> <uint> <rest>
    set vf mac antispoof id=<u16> <uint> on|off
    set vf mac addr id=<u16> <u16> <mac>
    set vf promisc|allmulti|broadcast id=<u16> <uint> on|off
    set vf vlan tag id=<u16> <u16> on|off
    set vf tx max-bandwidth id=<u16> <u16> <uint>
    set vf tc tx min-bandwidth id=<u16> <u16> <text>
    set vf tc tx max-bandwidth id=<u16> <u16> <u8> <uint>
    set tx loopback id=<u16> on|off
    set tx strict-link-priority id=<u16> <u8>
    set all queues drop id=<u16> on|off
    show|clear vf stats id=<u16> <u16>
    port config id=<u16> pctype mapping reset
    port config id=<u16> pctype mapping update <text> <u16>
    show port id=<u16> pctype mapping
    ptype mapping get id=<u16> <u8>
    ptype mapping replace id=<u16> <uint> <u8> <uint>
    ptype mapping reset id=<u16>
    ptype mapping update id=<u16> <u8> <uint>
    port config all i40e_src_prune on|off
    port config id=<u16> i40e_src_prune on|off
  `,
  ),
  ...refused(
    section,
    'Queue regions of i40e.',
    'function not implemented or supported',
    `
    set port id=<u16> queue-region region_id <u8> queue_start_index <u8> queue_num <u8>
    set port id=<u16> queue-region region_id <u8> flowtype <u8>
    set port id=<u16> queue-region UP <u8> region_id <u8>
    set port id=<u16> queue-region flush on|off
    show port id=<u16> queue-region
    rx_vlan add|rm id=<u16> port <u16> vf <u64>
  `,
  ),
  ...refused(
    section,
    'Flow director of i40e.',
    'FDIR is not supported on port {id}',
    'flow_director_filter id=<u16> mode raw add|del|update flow <text> drop|fwd queue <u16> fd_id <uint> packet <text>',
  ),
  ...refused(
    section,
    'Profiles of i40e.',
    whenStopped(NONE),
    `
    ddp add|del id=<u16> <text>
    port config id=<u16> pctype <u8> hash_inset|fdir_inset|fdir_flx_inset get|set|clear field <u8>
    port config id=<u16> pctype <u8> hash_inset|fdir_inset|fdir_flx_inset clear all
  `,
  ),
  ...refused(
    section,
    'Profiles of i40e.',
    'Failed to get ddp list',
    'ddp get list id=<u16>\nddp get info <text>',
  ),
  ...refused(
    section,
    'MACsec and split of ixgbe.',
    'not supported on port {id}',
    `
    set vf split drop id=<u16> <u16> on|off
    set macsec sc tx|rx id=<u16> <mac> <u16>
    set macsec sa tx|rx id=<u16> <u8> <u8> <uint> <text>
    set macsec offload id=<u16> on encrypt on|off replay-protect on|off
    set macsec offload id=<u16> off
    set tc tx min-bandwidth id=<u16> <text>
  `,
  ),
  ...refused(
    section,
    BYPASS,
    'Bypass is not enabled on this port.',
    `
    port config bypass id=<u16> on|off
    set bypass mode normal|bypass|isolate id=<u16>
    set bypass event none|timeout|os_off|os_on|power_on|power_off mode normal|bypass|isolate id=<u16>
    set bypass timeout 0|1.5|2|3|4|8|16|32
    show bypass config id=<u16>
  `,
  ),
  ...refused(
    section,
    BONDING,
    '\tFailed to get bonding mode for port = {id}',
    'show bonding config id=<u16>',
  ),
  ...refused(section, BONDING, '\tBonding mode is not mode 4', 'show bonding lacp info id=<u16>'),
  ...refused(
    section,
    BONDING,
    '\t Failed to set bonding mode for port = {id}.',
    'set bonding mode <u8> id=<u16>',
  ),
  ...refused(
    section,
    BONDING,
    '\t Failed to set bonding balance xmit policy for port = {id}.',
    'set bonding balance_xmit_policy id=<u16> l2|l23|l34',
  ),
  ...refused(
    section,
    BONDING,
    '\t Failed to change the members of port = {id}.',
    `
    add|remove bonding slave|member <u16> id=<u16>
    set bonding primary <u16> id=<u16>
  `,
  ),
  ...refused(
    section,
    BONDING,
    '\t Failed to create bonding device',
    'create bonded|bonding device <u8> <u8>',
  ),
  ...refused(
    section,
    BONDING,
    'set_bond_mac_addr error: (Operation not permitted)',
    `
    set bonding mac_addr id=<u16> <mac>
    set bonding mon_period id=<u16> <uint>
    set bonding agg_mode id=<u16> stable|bandwidth|count
    set bonding lacp dedicated_queues id=<u16> enable|disable
  `,
  ),
];
