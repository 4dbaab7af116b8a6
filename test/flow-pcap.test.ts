// SPDX-License-Identifier: BSD-3-Clause
// Flow rules against libpcap: a rule as testpmd's grammar has it, and the expression of pcap-filter(7) that
// means the same, match the same frames.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { native } from '../src/native.ts';
import { RuleMatcher } from '../src/offload/flow-rule.ts';
import { parseFlow } from '../src/testpmd/flow-syntax.ts';
import { passes } from './support/bpf.ts';
import { inCi } from './support/dpdk.ts';
import { bytes, ether, ipv4, ipv6, tcp, udp } from './support/packets.ts';

const LIBPCAP = (() => {
  try {
    native.compileFilter('ip', 65_535);
    return true;
  } catch {
    return inCi();
  }
})();
if (!LIBPCAP)
  console.warn('Flow rules are not compared with libpcap: it is not installed (Debian: libpcap0.8)');

/** Few values of each field, so that rules match often. */
const octet = fc.integer({ min: 1, max: 3 });
const port = fc.integer({ min: 1, max: 4 });
const mac = fc.integer({ min: 1, max: 2 }).map((n) => `02:00:00:00:00:0${n}`);
const address4 = octet.map((n) => `10.0.0.${n}`);
const address6 = octet.map((n) => `2001:db8::${n}`);
const vlan = fc.integer({ min: 4, max: 5 });

/** A condition of an item, in both languages. */
type Condition = readonly [rule: string, filter: string];
const conditions = (...all: fc.Arbitrary<Condition>[]): fc.Arbitrary<readonly Condition[]> =>
  fc
    .tuple(...all.map((one) => fc.option(one, { freq: 2, nil: null })))
    .map((some) => some.filter((one) => one !== null));

const etherIs = conditions(
  mac.map((m): Condition => [`dst is ${m}`, `ether dst ${m}`]),
  mac.map((m): Condition => [`src is ${m}`, `ether src ${m}`]),
);
const vlanIs = conditions(vlan.map((v): Condition => [`vid is ${v}`, `vlan ${v}`]));
const ip4Is = conditions(
  address4.map((a): Condition => [`src is ${a}`, `ip src ${a}`]),
  fc
    .tuple(address4, fc.integer({ min: 28, max: 32 }))
    .map(([a, n]): Condition => [`dst spec ${a} dst prefix ${n}`, `ip dst net ${masked(a, n)}/${n}`]),
  octet.map((n): Condition => [`ttl is ${62 + n}`, `ip[8] = ${62 + n}`]),
  octet.map((n): Condition => [`tos spec ${n} tos mask 2`, `ip[1] & 2 = ${n & 2}`]),
);
const ip6Is = conditions(
  address6.map((a): Condition => [`src is ${a}`, `ip6 src ${a}`]),
  address6.map((a): Condition => [`dst is ${a}`, `ip6 dst ${a}`]),
);
const portsAre = (name: string) =>
  conditions(
    port.map((p): Condition => [`src is ${p}`, `${name} src port ${p}`]),
    port.map((p): Condition => [`dst is ${p}`, `${name} dst port ${p}`]),
  );

/** 10.0.0.3, 30 bits: 10.0.0.0. */
const masked = (address: string, bits: number) =>
  `10.0.0.${Number(address.split('.')[3]) & (0xff << (32 - bits)) & 0xff}`;

const rule = fc
  .record({
    ether: etherIs,
    tags: fc.array(vlanIs, { maxLength: 1 }),
    ip: fc.option(
      fc.oneof(
        ip4Is.map((all) => [4, all] as const),
        ip6Is.map((all) => [6, all] as const),
      ),
    ),
    l4: fc.option(
      fc.constantFrom('udp', 'tcp').chain((name) => portsAre(name).map((all) => [name, all] as const)),
    ),
  })
  .map(({ ether, tags, ip, l4 }) => {
    const transport = ip === null ? null : l4;
    const item = (name: string, all: readonly Condition[]) => [name, ...all.map(([text]) => text)].join(' ');
    const items = [
      item('eth', ether),
      ...tags.map((all) => item('vlan', all)),
      ...(ip === null ? [] : [item(`ipv${ip[0]}`, ip[1])]),
      ...(transport === null ? [] : [item(...transport)]),
    ];
    // In pcap-filter, `vlan` moves what follows behind the tag.
    const filter = [
      'len >= 14',
      ...ether.map(([, text]) => text),
      ...tags.map((all) => all[0]?.[1] ?? 'vlan'),
      ...(ip === null ? [] : [ip[0] === 4 ? 'ip' : 'ip6', ...ip[1].map(([, text]) => text)]),
      ...(transport === null ? [] : [`${ip?.[0] === 4 ? 'ip' : 'ip6'} proto \\${transport[0]}`]),
      ...(transport?.[1].map(([, text]) => text) ?? []),
    ];
    // Ports are those of a packet's first fragment.
    if (transport !== null && ip?.[0] === 4) filter.push('ip[6:2] & 0x1fff = 0');
    return {
      rule: `ingress pattern ${items.join(' / ')} / end actions drop / end`,
      filter: filter.join(' and '),
    };
  });

const packet = fc
  .record({
    macs: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    tags: fc.array(vlan, { maxLength: 1 }),
    version: fc.constantFrom(4, 6),
    src: octet,
    dst: octet,
    ports: fc.tuple(port, port),
    isTcp: fc.boolean(),
    ttl: octet,
    tos: octet,
    fragment: fc.constantFrom(0, 0, 0, 0x2000, 0x0009),
    options: fc.constantFrom([], [], [1, 1, 1, 0]),
  })
  .map(({ macs, tags, version, src, dst, ports, isTcp, ttl, tos, fragment, options }) => {
    const l4 = isTcp ? tcp(bytes(3), { ports }) : udp(bytes(3), { ports });
    const protocol = isTcp ? 6 : 17;
    const v4 = { protocol, src: [10, 0, 0, src], dst: [10, 0, 0, dst], fragment, options };
    const ip = version === 4 ? ipv4(v4, l4) : ipv6(protocol, l4);
    if (version === 4) ip.set([tos], 1);
    if (version === 4) ip.set([62 + ttl], 8);
    const of6 = (n: number) => [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n];
    if (version === 6) ip.set([...of6(src), ...of6(dst)], 8);
    const frame = ether(
      version === 4 ? 0x0800 : 0x86dd,
      ip,
      tags.map((id) => [0x8100, id] as const),
    );
    frame.set([macs[0]], 5);
    frame.set([macs[1]], 11);
    return frame;
  });

it.skipIf(!LIBPCAP)('flow rules match what the same expression of libpcap does', () => {
  const counts = { rules: 0, matches: 0, others: 0 };
  fc.assert(
    fc.property(rule, fc.array(packet, { minLength: 40, maxLength: 40 }), ({ rule, filter }, frames) => {
      const matcher = new RuleMatcher(parseFlow(rule, 1).rule, 0);
      const { code } = native.compileFilter(filter, 65_535);
      counts.rules++;
      for (const frame of frames) {
        const ours = matcher.matches(frame, 0, frame.length, 0x8100, 0x88a8);
        counts[ours ? 'matches' : 'others']++;
        expect([rule, filter, frame.toString('hex'), ours]).toEqual([
          rule,
          filter,
          frame.toString('hex'),
          passes(code, frame),
        ]);
      }
    }),
    { numRuns: 400 },
  );
  expect(Math.min(counts.matches, counts.others)).toBeGreaterThan(1000);
});
