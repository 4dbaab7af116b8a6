// SPDX-License-Identifier: BSD-3-Clause
// Refused: traffic management and meters, which no port here has.
import type { Session } from '../session.ts';
import type { Command } from './grammar.ts';
import { refused } from './refused.ts';

/** What testpmd prints for rte_tm and rte_mtr without operations. */
const NONE = 'cause unspecified: Function not implemented (error 1)';

export const trafficManagementCommands: readonly Command<Session>[] = [
  ...refused(
    'traffic_management',
    'Traffic management.',
    NONE,
    `
    show port tm cap id=<u16>
    show port tm level cap id=<u16> <uint>
    show port tm node cap id=<u16> <uint>
    show port tm node stats id=<u16> <uint> <uint>
    show port tm node type id=<u16> <uint>
    add port tm node shaper profile id=<u16> <uint> <u64> <u64> <u64> <u64> <uint> <uint>
    del port tm node shaper profile id=<u16> <uint>
    del port tm node shared shaper id=<u16> <uint>
    add port tm node wred profile id=<u16> <uint> G|g <u64> <u64> <u16> <u16> Y|y <u64> <u64> <u16> <u16> R|r <u64> <u64> <u16> <u16>
    del port tm node wred profile id=<u16> <uint>
    set port tm node shaper profile id=<u16> <uint> <uint>
    set port tm node parent id=<u16> <uint> <uint> <uint> <uint>
    port tm hierarchy commit id=<u16> yes|no
    set port tm mark ip_ecn id=<u16> <u16> <u16> <u16>
    set port tm mark ip_dscp id=<u16> <u16> <u16> <u16>
    set port tm mark vlan_dei id=<u16> <u16> <u16> <u16>
    add|set port tm node shared shaper id=<u16> <uint> <uint>
    add port tm nonleaf node id=<u16> <uint> <uint> <uint> <uint> <uint> <uint> <uint> <u64> <rest>
    add port tm nonleaf node pktmode id=<u16> <uint> <uint> <uint> <uint> <uint> <uint> <uint> <u64> <rest>
    add port tm leaf node id=<u16> <uint> <uint> <uint> <uint> <uint> <uint> <uint> <uint> <u64> <rest>
    show port tm node id=<u16> <uint>
    del port tm node id=<u16> <uint>
    suspend|resume port tm node id=<u16> <uint>
  `,
  ),
  ...refused(
    'traffic_management',
    'Traffic meters.',
    NONE,
    `
    show port meter cap id=<u16>
    add port meter profile srtcm_rfc2697 id=<u16> <uint> <u64> <u64> <u64> <uint>
    add port meter profile trtcm_rfc2698 id=<u16> <uint> <u64> <u64> <u64> <u64> <uint>
    add port meter profile trtcm_rfc4115 id=<u16> <uint> <u64> <u64> <u64> <u64> <uint>
    del port meter profile id=<u16> <uint>
    create port meter id=<u16> <uint> <uint> <uint> yes|no <u64> <uint> R|Y|G|r|y|g <rest>
    enable port meter id=<u16> <uint>
    disable port meter id=<u16> <uint>
    del port meter policy id=<u16> <uint>
    del port meter id=<u16> <uint>
    set port meter profile id=<u16> <uint> <uint>
    set port meter dscp table <rest>
    set port meter vlan table <rest>
    set port meter proto id=<u16> <uint> outer_vlan|inner_vlan|outer_ip|inner_ip <uint>
    get port meter proto_prio id=<u16> <uint> outer_vlan|inner_vlan|outer_ip|inner_ip
    set port meter stats mask id=<u16> <uint> <u64>
    show port meter stats id=<u16> <uint> yes|no
    get port meter proto id=<u16> <uint>
  `,
  ),
];
