// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { parseFlow } from './flow-syntax.ts';
import { addFlow, type Flow, flowListText } from './flow-table.ts';

const rule = (pattern: string, actions = 'drop', attributes = 'ingress') =>
  `${attributes} pattern ${pattern} / end actions ${actions} / end`;
const bytes = (...values: number[]) => Uint8Array.from(values);

describe('a flow rule', () => {
  it('compares fields by is, spec with mask, and prefix', () => {
    const { rule: parsed } = parseFlow(
      rule(
        'eth dst is 02:00:00:00:00:01 / vlan vid is 5 / ipv4 src spec 10.1.0.0 src prefix 12 / udp dst is 53',
      ),
      1,
    );
    expect(parsed.pattern).toEqual({
      eth: [{ offset: 0, spec: bytes(2, 0, 0, 0, 0, 1), mask: bytes(255, 255, 255, 255, 255, 255) }],
      vlan: [[{ offset: 0, spec: bytes(0, 5), mask: bytes(0x0f, 255) }]],
      ip: { version: 4, matches: [{ offset: 12, spec: bytes(10, 1, 0, 0), mask: bytes(255, 0xf0, 0, 0) }] },
      l4: { protocol: 17, length: 8, matches: [{ offset: 2, spec: bytes(0, 53), mask: bytes(255, 255) }] },
    });
  });

  it('takes IPv6 addresses in any form', () => {
    const { rule: parsed } = parseFlow(rule('eth / ipv6 dst is 2001:db8::1.2.3.4 / tcp'), 1);
    expect(parsed.pattern.ip?.matches[0]?.spec).toEqual(
      bytes(0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4),
    );
  });

  it('has actions', () => {
    expect(parseFlow(rule('eth', 'queue index 3 / mark id 0x10 / count'), 4).rule.actions).toEqual({
      queue: 3,
      drop: false,
      mark: 16,
      count: true,
    });
  });

  it.each([
    [
      'eth / vxlan vni is 5',
      'drop',
      'type 13 (specific pattern item): item vxlan is not supported: Operation not',
    ],
    ['ipv4 / eth', 'drop', 'type 13 (specific pattern item): item eth cannot follow ipv4'],
    ['eth / udp', 'drop', 'item udp cannot follow eth'],
    ['eth / ipv4 src last 10.0.0.9', 'drop', 'type 11 (item specification range)'],
    ['eth / ipv4 src mask 255.0.0.0', 'drop', 'type 12 (item specification mask)'],
    ['eth', 'rss', 'type 16 (specific action): action rss is not supported'],
    ['eth', 'queue index 1', 'type 15 (action configuration): queue 1: the port has 1 receive queue'],
    ['eth', 'queue index 0 / drop', 'type 16 (specific action)'],
  ])('%s / end actions %s is refused in the words of rte_flow', (pattern, actions, message) => {
    expect(() => parseFlow(rule(pattern, actions), 1)).toThrow(`port_flow_complain(): Caught PMD error`);
    expect(() => parseFlow(rule(pattern, actions), 1)).toThrow(message);
  });

  it.each([
    ['egress', 'type 6 (egress field)'],
    ['transfer', 'type 7 (transfer field)'],
    ['', 'type 5 (ingress field)'],
    ['group 1 ingress', 'type 3 (group field)'],
  ])('with attributes "%s" is refused', (attributes, message) => {
    expect(() => parseFlow(rule('eth', 'drop', attributes), 1)).toThrow(message);
  });

  it.each([
    'ingress pattern eth / end',
    'ingress pattern eth end actions drop / end',
    'ingress pattern eth / end actions drop',
    'ingress pattern nosuch / end actions drop / end',
    'ingress pattern eth dst is 5 / end actions drop / end',
    'ingress pattern eth / vlan vid is 4096 / end actions drop / end',
    'ingress pattern eth / end actions queue number 1 / end',
    'sideways pattern eth / end actions drop / end',
  ])('%s is no rule', (text) => {
    expect(() => parseFlow(text, 1)).toThrow('Bad arguments');
  });
});

it('rules are listed by priority, then by number', () => {
  const flows: Flow[] = [];
  expect(addFlow(flows, parseFlow(rule('eth / ipv4 / udp', 'drop', 'priority 2 ingress'), 1))).toBe(0);
  expect(addFlow(flows, parseFlow(rule('eth', 'mark id 1 / count'), 1))).toBe(1);
  expect(flowListText(flows)).toBe(
    'ID\tGroup\tPrio\tAttr\tRule\n1\t0\t0\ti--\tETH => MARK COUNT\n0\t0\t2\ti--\tETH IPV4 UDP => DROP',
  );
});
