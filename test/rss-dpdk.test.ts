// SPDX-License-Identifier: BSD-3-Clause
// The hash of received packets against DPDK's rte_softrss, by which its drivers hash in software: addresses
// and ports of whole frames, any key, any kinds of packets.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Mempool } from '../src/ethdev/mempool.ts';
import { Classifier } from '../src/offload/classifier.ts';
import { put, rxPlan } from '../src/offload/offload.test-help.ts';
import { evenReta, RSS_TYPES, RssHash } from '../src/offload/rss.ts';
import { inCi } from './support/dpdk.ts';
import { bytes, ether, ipv4, ipv6, tcp, udp } from './support/packets.ts';
import { ROOT } from './support/program.ts';

const HEADERS = '/usr/include/dpdk';
const missing = !existsSync(join(HEADERS, 'rte_thash.h')) && !inCi();
if (missing)
  console.warn('The hash is not compared with DPDK: no headers of it (Debian: apt-get install dpdk-dev)');

/** Frames of one flow each: what is hashed of it by addresses, and with ports. */
interface Flow {
  readonly frame: Uint8Array;
  readonly version: 4 | 6;
  readonly addresses: string;
  readonly ports: string;
  readonly kind: 'tcp' | 'udp' | 'other' | 'frag';
}

const flow: fc.Arbitrary<Flow> = fc
  .record({
    version: fc.constantFrom(4 as const, 6 as const),
    kind: fc.constantFrom('tcp' as const, 'udp' as const, 'other' as const, 'frag' as const),
    tagged: fc.boolean(),
    src: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    dst: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    ports: fc.tuple(fc.nat(65_535), fc.nat(65_535)),
  })
  .map(({ version, kind, tagged, src, dst, ports }) => {
    const kinds = version === 6 && kind === 'frag' ? 'other' : kind;
    const l4 = kinds === 'tcp' ? tcp(bytes(9), { ports }) : udp(bytes(9), { ports });
    const protocol = { tcp: 6, udp: 17, other: 50, frag: 17 }[kinds];
    const size = version === 4 ? 4 : 16;
    const [from, to] = [src.subarray(0, size), dst.subarray(0, size)];
    const fragment = kinds === 'frag' ? 0x2000 : 0;
    const ip =
      version === 4 ? ipv4({ protocol, src: [...from], dst: [...to], fragment }, l4) : ipv6(protocol, l4);
    if (version === 6) ip.set([...from, ...to], 8);
    return {
      frame: ether(version === 4 ? 0x0800 : 0x86dd, ip, tagged ? [[0x8100, 5]] : []),
      version,
      addresses: Buffer.concat([from, to]).toString('hex'),
      ports: l4.toString('hex', 0, 4),
      kind: kinds,
    };
  });

it.skipIf(missing)('packets have the queues that rte_softrss gives them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'softrss-'));
  const pool = new Mempool({ count: 8, hugepages: false });
  try {
    const program = join(folder, 'softrss');
    const source = join(ROOT, 'test/support/softrss.cc');
    const include = [
      '-isystem',
      HEADERS,
      '-isystem',
      `/usr/include/${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu/dpdk`,
    ];
    const cpu = process.arch === 'x64' ? ['-march=corei7'] : [];
    execFileSync('g++', ['-O1', '-std=c++17', ...cpu, ...include, source, '-o', program], { stdio: 'pipe' });
    const key = fc.uint8Array({ minLength: 40, maxLength: 40 });
    const cases = fc.sample(fc.tuple(flow, key, fc.nat(0x3fff)), { numRuns: 3000, seed: 7 });
    const lines = cases.flatMap(([{ addresses, ports }, key]) => {
      const hex = Buffer.from(key).toString('hex');
      return [`${hex} ${addresses}`, `${hex} ${addresses}${ports}`];
    });
    const theirs = execFileSync(program, { input: lines.join('\n') })
      .toString()
      .trim()
      .split('\n')
      .map(Number);
    const pkts = pool.vector(1);
    const reta = evenReta(16);
    const seen = new Set<string>();
    cases.forEach(([{ frame, version, kind }, key, types], i) => {
      const [l3, l4] = theirs.slice(2 * i, 2 * i + 2) as [number, number];
      const hashes = wanted(version, kind, types);
      const hash = hashes === 'none' ? 0 : hashes === 'addresses' ? l3 : l4;
      seen.add(`${version} ${kind} ${hashes}`);
      const at = frame.length > 14 && frame[12] === 0x81 ? 18 : 14;
      const own = new RssHash({ types, key, reta }).hash(
        frame,
        version === 4 ? 0x0800 : 0x86dd,
        at,
        frame.length,
      );
      expect(own >>> 0).toBe(hash);
      put(pkts, 0, frame);
      const plan = rxPlan({ rss: { types, key, reta }, queues: 16 });
      expect(new Classifier(plan, 0).classify(pool, pkts.ids[0] ?? 0)).toBe(reta[hash % reta.length]);
      pool.free(pkts, 0, 1);
    });
    // Every kind of packet, with every way to hash it that there is.
    expect(seen.size).toBe(7 * 2 + 4);
  } finally {
    pool.close();
    rmSync(folder, { recursive: true });
  }
});

/** By rte_ethdev.h: the ports are in it where the type of the transport is asked for; else the type of IP. */
function wanted(version: 4 | 6, kind: Flow['kind'], types: number): 'ports' | 'addresses' | 'none' {
  const has = (name: keyof typeof RSS_TYPES) => (types & RSS_TYPES[name]) !== 0;
  const own = has(`ipv${version}-${kind}`);
  if (own && (kind === 'tcp' || kind === 'udp')) return 'ports';
  return own || has(`ipv${version}`) ? 'addresses' : 'none';
}
