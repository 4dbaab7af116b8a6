// SPDX-License-Identifier: BSD-3-Clause
// `flow create N [attributes] pattern ITEM [/ ITEM]... / end actions ACTION [/ ACTION]... / end`: what of it
// software can do. The rest is refused item by item and action by action, as by a port driver.
import {
  type FlowActions,
  type FlowPattern,
  type FlowRule,
  type Match,
  newRuleCounters,
} from '../offload/flow-rule.ts';
import { FlowError, FlowSyntaxError } from './flow-error.ts';
import { FIELDS, type Field, fieldValue, fullMask, prefixMask } from './flow-fields.ts';

/** A rule as it was asked for. */
export interface ParsedFlow {
  readonly group: number;
  readonly priority: number;
  /** DPDK's names, in capitals. */
  readonly items: readonly string[];
  readonly actions: readonly string[];
  readonly rule: FlowRule;
}

/** Others that testpmd's grammar has. */
const OTHER_ITEMS = new Set(
  `any raw invert pf vf phy_port port_id represented_port mark meta tag icmp icmp6 sctp vxlan vxlan-gpe nvgre e_tag
  mpls gre gre_key gtp gtpc gtpu gtp_psc geneve arp_eth_ipv4 ipv6_ext ipv6_frag_ext ipv6_routing_ext esp ah nsh
  igmp pppoes pppoed pppoe_proto_id l2tpv3oip l2tpv2 ppp ecpri pfcp higig2 fuzzy flex conntrack integrity`
    .split(/\s+/)
    .filter((name) => name !== ''),
);
const OTHER_ACTIONS = new Set(
  `jump passthru flag rss pf vf phy_port port_id represented_port meter security age sample modify_field
  of_pop_vlan of_push_vlan of_set_vlan_vid of_set_vlan_pcp of_pop_mpls of_push_mpls of_dec_nw_ttl
  vxlan_encap vxlan_decap nvgre_encap nvgre_decap l2_encap l2_decap raw_encap raw_decap mac_swap dec_ttl set_ttl
  set_mac_src set_mac_dst set_ipv4_src set_ipv4_dst set_ipv6_src set_ipv6_dst set_tp_src set_tp_dst set_meta
  set_tag indirect conntrack`
    .split(/\s+/)
    .filter((name) => name !== ''),
);

/** Headers from the outside in: an item is followed by one of a later rank, tags by tags. */
const RANKS: Readonly<Record<string, number>> = { eth: 1, vlan: 2, ipv4: 3, ipv6: 3, udp: 4, tcp: 4 };
const PROTOCOLS: Readonly<Record<string, readonly [protocol: number, header: number]>> = {
  udp: [17, 8],
  tcp: [6, 20],
};
const MAX_TAGS = 2;

/** Parses a rule for a port of `queues` receive queues. Throws FlowError or FlowSyntaxError. */
export function parseFlow(text: string, queues: number): ParsedFlow {
  const words = text.split(/\s+/).filter((word) => word !== '');
  const at = words.indexOf('pattern');
  const actionsAt = words.indexOf('actions');
  if (at < 0 || actionsAt < at) throw new FlowSyntaxError();
  const { group, priority, ingress } = attributes(words.slice(0, at));
  const items = clauses(words.slice(at + 1, actionsAt));
  const actions = clauses(words.slice(actionsAt + 1));
  const rule: FlowRule = {
    pattern: patternOf(items),
    actions: actionsOf(actions, queues),
    counters: newRuleCounters(),
  };
  if (!ingress) throw new FlowError('ingress field', 'only ingress rules are supported', 'Invalid argument');
  const names = (list: readonly string[][]) => list.map(([name = '']) => name.toUpperCase());
  return { group, priority, items: names(items), actions: names(actions), rule };
}

function attributes(words: readonly string[]): { group: number; priority: number; ingress: boolean } {
  const found = { group: 0, priority: 0, ingress: false };
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === 'ingress') found.ingress = true;
    else if (word === 'egress') throw new FlowError('egress field', 'egress rules are not supported');
    else if (word === 'transfer') throw new FlowError('transfer field', 'transfer rules are not supported');
    else if (word === 'group' || word === 'priority') found[word] = wholeNumber(words[++i]);
    else throw new FlowSyntaxError();
  }
  if (found.group !== 0) throw new FlowError('group field', 'there is only group 0');
  return found;
}

/** `A x / B y / end` as [[A, x], [B, y]], without what is void. */
function clauses(words: readonly string[]): string[][] {
  if (words.at(-1) !== 'end' || (words.length > 1 && words.at(-2) !== '/')) throw new FlowSyntaxError();
  const parts: string[][] = [[]];
  for (const word of words.slice(0, -2)) {
    if (word === '/') parts.push([]);
    else parts.at(-1)?.push(word);
  }
  if (words.length > 1 && parts.some((part) => part.length === 0)) throw new FlowSyntaxError();
  return parts.filter(([name]) => name !== undefined && name !== 'void');
}

function patternOf(items: readonly string[][]): FlowPattern {
  const eth: Match[] = [];
  const vlan: Match[][] = [];
  let ip: FlowPattern['ip'] = null;
  let l4: FlowPattern['l4'] = null;
  let before = '';
  for (const [name = '', ...fields] of items) {
    const rank = RANKS[name];
    if (rank === undefined) throw unknown(name, OTHER_ITEMS, 'specific pattern item', 'item');
    if (!follows(name, before) || (name === 'vlan' && vlan.length === MAX_TAGS))
      throw new FlowError('specific pattern item', `item ${name} cannot follow ${before || 'nothing'}`);
    const matches = matchesOf(name, fields);
    const [protocol = 0, length = 0] = PROTOCOLS[name] ?? [];
    if (name === 'eth') eth.push(...matches);
    else if (name === 'vlan') vlan.push(matches);
    else if (name === 'ipv4' || name === 'ipv6') ip = { version: name === 'ipv4' ? 4 : 6, matches };
    else l4 = { protocol, length, matches };
    before = name;
  }
  return { eth, vlan, ip, l4 };
}

/** A transport header comes after one of IP; tags only after Ethernet. */
function follows(name: string, before: string): boolean {
  const [rank = 0, last = 0] = [RANKS[name], RANKS[before]];
  if (rank === 4) return last === 3;
  return rank > last || (name === 'vlan' && before === 'vlan');
}

function matchesOf(item: string, words: readonly string[]): Match[] {
  const specs = new Map<Field, { spec?: Uint8Array; mask?: Uint8Array }>();
  for (let i = 0; i < words.length; i += 3) {
    const field = FIELDS[item]?.[words[i] ?? ''];
    const [how, text] = [words[i + 1], words[i + 2]];
    if (field === undefined || how === undefined || text === undefined) throw new FlowSyntaxError();
    const known = specs.get(field) ?? {};
    specs.set(field, { ...known, ...condition(item, field, how, text) });
  }
  return [...specs].map(([field, { spec, mask = fullMask(field) }]) => {
    if (!spec)
      throw new FlowError('item specification mask', `${item}: mask without spec`, 'Invalid argument');
    return { offset: field.offset, spec, mask };
  });
}

function condition(item: string, field: Field, how: string, text: string) {
  const value = how === 'prefix' ? prefixMask(field, text) : fieldValue(field, text);
  if (value === null) throw new FlowSyntaxError();
  if (how === 'is') return { spec: value, mask: fullMask(field) };
  if (how === 'spec') return { spec: value };
  if (how === 'mask' || how === 'prefix') return { mask: value };
  if (how === 'last') throw new FlowError('item specification range', `${item}: no ranges`);
  throw new FlowSyntaxError();
}

function actionsOf(actions: readonly string[][], queues: number): FlowActions {
  let [queue, mark]: [number | null, number | null] = [null, null];
  let [drop, count] = [false, false];
  for (const [name = '', ...words] of actions) {
    if (name === 'queue') queue = queueIndex(words, queues);
    else if (name === 'mark') mark = argument(words, 'id') ?? 0;
    else if (name === 'drop' && words.length === 0) drop = true;
    else if (name === 'count') count = argument(words, 'identifier') !== null || true;
    else throw unknown(name, OTHER_ACTIONS, 'specific action', 'action');
  }
  if (drop && queue !== null)
    throw new FlowError('specific action', 'queue and drop in one rule', 'Invalid argument');
  if (actions.length === 0) throw new FlowError('number of actions', 'no action', 'Invalid argument');
  return { queue, drop, mark, count };
}

function queueIndex(words: readonly string[], queues: number): number {
  const queue = argument(words, 'index') ?? 0;
  if (queue < queues) return queue;
  const message = `queue ${queue}: the port has ${queues} receive ${queues === 1 ? 'queue' : 'queues'}`;
  throw new FlowError('action configuration', message, 'Invalid argument');
}

/** The number of `NAME number`; null where nothing is said. */
function argument(words: readonly string[], name: string): number | null {
  if (words.length === 0) return null;
  if (words.length !== 2 || words[0] !== name) throw new FlowSyntaxError();
  return wholeNumber(words[1]);
}

function wholeNumber(text: string | undefined): number {
  if (text === undefined || !/^(\d{1,10}|0x[0-9a-f]{1,8})$/i.test(text) || Number(text) >= 2 ** 32)
    throw new FlowSyntaxError();
  return Number(text);
}

function unknown(
  name: string,
  others: ReadonlySet<string>,
  type: 'specific pattern item' | 'specific action',
  what: string,
): Error {
  return others.has(name) ? new FlowError(type, `${what} ${name} is not supported`) : new FlowSyntaxError();
}
