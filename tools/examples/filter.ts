// SPDX-License-Identifier: BSD-3-Clause
// filter.ts DEVICE DEVICE --rules FILE: forwards what the rules pass (rules.ts), and ARP.
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import {
  ETHER,
  IPV4,
  ipv4HeaderLength,
  isFragment,
  type LcoreContext,
  type Mempool,
  networkHeader,
  readUint16BE,
  UDP,
} from 'vhost-pci-pmd';
import { run } from './application.ts';
import { compileRules, passes } from './rules.ts';

const BURST = 32;
const [PASSED, REFUSED, DROPPED] = [0, 1, 2];

export default function filter(lcore: LcoreContext<Int32Array>): void {
  const rules = lcore.data;
  const pool = lcore.createPool();
  const pkts = pool.vector(BURST);
  const { ids } = pkts;
  const rx = [lcore.rxQueue(0), lcore.rxQueue(1)];
  const tx = [lcore.txQueue(1), lcore.txQueue(0)];
  for (let from = 0; lcore.running(); from ^= 1) {
    const n = rx[from].burst(pkts, BURST);
    let passed = 0;
    // What passes moves to the front of the vector, the rest stays behind it to be freed.
    for (let i = 0; i < n; i++) {
      const mbuf = ids[i];
      if (!mayPass(pool, mbuf, rules)) continue;
      ids[i] = ids[passed];
      ids[passed++] = mbuf;
    }
    const sent = tx[from].burst(pkts, 0, passed);
    pool.free(pkts, sent, n);
    lcore.stats[PASSED] += sent;
    lcore.stats[REFUSED] += n - passed;
    lcore.stats[DROPPED] += passed - sent;
  }
}

/** What is not understood does not pass: other protocols than IPv4, broken headers, fragments. */
function mayPass(pool: Mempool, mbuf: number, rules: Int32Array): boolean {
  const { bytes } = pool;
  const frame = mbuf * pool.stride + pool.dataOff[mbuf];
  const end = frame + pool.dataLen[mbuf];
  const ip = networkHeader(bytes, frame, end);
  if (ip < 0) return false;
  const type = readUint16BE(bytes, ip - 2);
  if (type !== ETHER.TYPE_IPV4) return type === ETHER.TYPE_ARP;
  const header = ipv4HeaderLength(bytes, ip, end);
  // A later fragment has no ports, and a first one may be followed by others that overlap it (RFC 1858).
  if (header === 0 || isFragment(bytes, ip)) return false;
  const l4 = ip + header;
  const protocol = bytes[ip + IPV4.PROTOCOL];
  const hasPorts = protocol === IPV4.PROTOCOL_TCP || protocol === IPV4.PROTOCOL_UDP;
  if (hasPorts && l4 + UDP.LENGTH > end) return false;
  return passes(rules, bytes, ip, hasPorts ? l4 : -1);
}

if (isMainThread)
  run({
    ...{ module: import.meta.url, usage: 'filter.ts DEVICE DEVICE --rules FILE', devices: [2, 2] },
    counters: ['passed', 'refused', 'dropped'],
    options: { rules: '' },
    data: ({ rules }) => {
      if (rules === '') throw new Error('--rules FILE is missing');
      return compileRules(readFileSync(rules, 'utf8'));
    },
  });
