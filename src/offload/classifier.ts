// SPDX-License-Identifier: BSD-3-Clause
// What becomes of each received packet: dropped, or given to a queue, without the tags that are stripped. In
// the order of a NIC: addresses, VLAN, flow rules, hash, and last the tags go.
import type { Mempool } from '../ethdev/mempool.ts';
import { readUint16BE } from '../packet/bytes.ts';
import { ETHER } from '../packet/headers.ts';
import { DISCARD, queueDiscards } from './discards.ts';
import { RuleMatcher } from './flow-rule.ts';
import { keepHashes, keepMarks } from './marks.ts';
import type { RxPlan } from './plan.ts';
import { RssHash } from './rss.ts';
import { removeTag, tagCount, vlanTag } from './tags.ts';

/** What classify() returns for a packet that must be freed. */
export const DROP = -1;

export class Classifier {
  readonly #plan: RxPlan;
  readonly #queue: number;
  readonly #rules: readonly RuleMatcher[];
  readonly #marking: boolean;
  readonly #rss: RssHash | null;
  readonly #keepsHash: boolean;
  /** Of which these are, looked up once and not for each packet. */
  #pool: Mempool | null = null;
  #hashes: Uint32Array | null = null;
  #marks: Uint32Array | null = null;
  /** 1: does not receive, or is not there. */
  readonly #stopped: Uint8Array;
  readonly #discards: Float64Array;

  /** `queue`: of the device, which packets without rule and hash belong to. */
  constructor(plan: RxPlan, queue: number) {
    this.#plan = plan;
    this.#queue = queue;
    this.#rules = plan.rules.map((rule) => new RuleMatcher(rule, queue));
    this.#marking = plan.rules.some(({ actions }) => actions.mark !== null);
    this.#rss = plan.rss && new RssHash(plan.rss);
    this.#keepsHash = plan.keepsHash;
    this.#stopped = new Uint8Array(65_536).fill(1);
    if (plan.queues === 0) this.#stopped[queue] = 0;
    else this.#stopped.fill(0, 0, plan.queues);
    for (const stopped of plan.stopped) this.#stopped[stopped] = 1;
    this.#discards = queueDiscards(plan.discards, queue);
  }

  /** HOT. The queue of a packet whose headers are in its first mbuf, or DROP. */
  classify(pool: Mempool, mbuf: number): number {
    if (pool !== this.#pool) this.#uses(pool);
    const { bytes } = pool;
    const start = mbuf * pool.stride + pool.dataOff[mbuf];
    const end = start + pool.dataLen[mbuf];
    if (this.#hashes !== null) this.#hashes[mbuf] = 0;
    if (!this.#addressPasses(bytes, start)) return this.#drop(DISCARD.MAC);
    if (!this.#vlanPasses(bytes, start, end)) return this.#drop(DISCARD.VLAN);
    let queue = this.#rules.length === 0 ? -1 : this.#ruled(pool, mbuf, start, end);
    if (queue === DROP - 1) return this.#drop(DISCARD.FLOW);
    if (queue < 0) queue = this.#hashed(pool, mbuf, start, end);
    if (this.#stopped[queue] !== 0) return this.#drop(DISCARD.STOPPED);
    this.#strip(pool, mbuf, start, end);
    return queue;
  }

  #uses(pool: Mempool): void {
    this.#pool = pool;
    this.#hashes = this.#keepsHash ? keepHashes(pool) : null;
    this.#marks = this.#marking ? keepMarks(pool) : null;
  }

  #drop(reason: number): number {
    this.#discards[reason]++;
    return DROP;
  }

  #addressPasses(bytes: Uint8Array, start: number): boolean {
    const { unicast, multicast } = this.#plan;
    if ((bytes[start] & 1) === 0) return unicast === null || listed(unicast, bytes, start);
    return multicast === null || isBroadcast(bytes, start) || listed(multicast, bytes, start);
  }

  #vlanPasses(bytes: Uint8Array, start: number, end: number): boolean {
    const { vlan, tpids } = this.#plan;
    if (vlan.filter === null) return true;
    const tag = vlanTag(bytes, start, end, tpids.inner, tpids.outer, vlan.extend);
    if (tag < 0) return true;
    const id = readUint16BE(bytes, start + tag + 2) & 0xfff;
    return (vlan.filter[id >>> 3] & (1 << (id & 7))) !== 0;
  }

  /** The queue that the first matching rule names, -1 if it names none, or below that to drop. */
  #ruled(pool: Mempool, mbuf: number, start: number, end: number): number {
    const { inner, outer } = this.#plan.tpids;
    const marks = this.#marks;
    if (marks !== null) marks[mbuf] = 0;
    for (let i = 0; i < this.#rules.length; i++) {
      const rule = this.#rules[i];
      if (!rule.matches(pool.bytes, start, end, inner, outer)) continue;
      const { queue, drop, mark, count } = rule.actions;
      if (count) rule.hit(pool.pktLen[mbuf]);
      if (drop) return DROP - 1;
      if (mark !== null && marks !== null) marks[mbuf] = mark + 1;
      return queue ?? -1;
    }
    return -1;
  }

  #hashed(pool: Mempool, mbuf: number, start: number, end: number): number {
    const { bytes } = pool;
    if (this.#rss === null) return this.#queue;
    const { inner, outer } = this.#plan.tpids;
    const l3 = start + ETHER.HEADER + ETHER.VLAN_TAG * tagCount(bytes, start, end, inner, outer);
    if (l3 > end) return this.#queue;
    const hash = this.#rss.hash(bytes, readUint16BE(bytes, l3 - 2), l3, end);
    if (this.#hashes !== null) this.#hashes[mbuf] = hash;
    return this.#rss.spreads ? this.#rss.queue(hash) : this.#queue;
  }

  #strip(pool: Mempool, mbuf: number, start: number, end: number): void {
    const { vlan, tpids } = this.#plan;
    if (!vlan.strip && !vlan.qinqStrip) return;
    if (vlan.qinqStrip && tagCount(pool.bytes, start, end, tpids.inner, tpids.outer) === 2) {
      removeTag(pool, mbuf, ETHER.TYPE + ETHER.VLAN_TAG);
      removeTag(pool, mbuf, ETHER.TYPE);
      return;
    }
    if (!vlan.strip) return;
    const tag = vlanTag(pool.bytes, start, end, tpids.inner, tpids.outer, vlan.extend);
    if (tag >= 0) removeTag(pool, mbuf, tag);
  }
}

function isBroadcast(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 6; i++) if (bytes[at + i] !== 0xff) return false;
  return true;
}

function listed(addresses: readonly Uint8Array[], bytes: Uint8Array, at: number): boolean {
  for (let a = 0; a < addresses.length; a++) {
    const address = addresses[a];
    let i = 0;
    while (i < 6 && address[i] === bytes[at + i]) i++;
    if (i === 6) return true;
  }
  return false;
}
