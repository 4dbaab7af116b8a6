// SPDX-License-Identifier: BSD-3-Clause
// Refused: flow rules, the headers that their actions add, and programs that filter packets.
import type { Session } from '../session.ts';
import type { Command } from './grammar.ts';
import { refused } from './refused.ts';

const section = 'filters';
const NOT_SUPPORTED = 'Operation not supported';

export const filterCommands: readonly Command<Session>[] = [
  ...refused(
    section,
    'Flow rules.',
    'port_flow_complain(): Caught PMD error type 1 (cause unspecified): Function not implemented: Function not implemented',
    `
    flow update|isolate|configure|dump|push|pull|queue|aged id=<u16> [rest=<rest>]
    flow pattern_template|actions_template|template_table|group|flex_item|tunnel|indirect_action id=<u16> <rest>
  `,
  ),
  ...refused(
    section,
    'Headers for actions of flow rules.',
    NOT_SUPPORTED,
    `
    set vxlan|vxlan-tos-ttl|vxlan-with-vlan|nvgre|nvgre-with-vlan|l2_encap|l2_encap-with-vlan <rest>
    set mplsogre_encap|mplsogre_encap-with-vlan|mplsogre_decap|mplsogre_decap-with-vlan <rest>
    set mplsoudp_encap|mplsoudp_encap-with-vlan|mplsoudp_decap|mplsoudp_decap-with-vlan <rest>
    set l2_decap
    set l2_decap-with-vlan
    set raw_encap|raw_decap|sample_actions <rest>
    set conntrack com|orig|rply <rest>
    show raw_encap|raw_decap all
    show raw_encap|raw_decap <u16>
    set flex_pattern <u16> is|spec <rest>
  `,
  ),
  ...refused(
    section,
    'Programs that filter packets.',
    '-95:Operation not supported',
    `
    bpf-load rx|tx id=<u16> <u16> <text> <text>
    bpf-unload rx|tx id=<u16> <u16>
  `,
  ),
];
