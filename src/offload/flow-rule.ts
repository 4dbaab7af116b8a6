// SPDX-License-Identifier: BSD-3-Clause
// Flow rules over received packets: which bytes a packet must have, and what happens to it then.
import { readUint16BE } from '../packet/bytes.ts';
import { ETHER, IPV4, IPV6, ipv4HeaderLength } from '../packet/headers.ts';

/** Rows of a rule's counters: queues count apart, since lcores share them. */
const COUNTER_ROWS = 256;

/** Bytes that a header must have: those under the mask are compared. */
export interface Match {
  /** Offset from the start of the header. */
  readonly offset: number;
  readonly spec: Uint8Array;
  readonly mask: Uint8Array;
}

/** The headers that a rule names, in the order of the packet; absent ones are not looked at. */
export interface FlowPattern {
  readonly eth: readonly Match[];
  /** One for each tag. */
  readonly vlan: readonly (readonly Match[])[];
  readonly ip: { readonly version: 4 | 6; readonly matches: readonly Match[] } | null;
  readonly l4: {
    readonly protocol: number;
    readonly length: number;
    readonly matches: readonly Match[];
  } | null;
}

export interface FlowActions {
  readonly queue: number | null;
  readonly drop: boolean;
  readonly mark: number | null;
  readonly count: boolean;
}

export interface FlowRule {
  readonly pattern: FlowPattern;
  readonly actions: FlowActions;
  /** Packets and bytes, COUNTER_ROWS times. */
  readonly counters: SharedArrayBuffer;
}

export function newRuleCounters(): SharedArrayBuffer {
  return new SharedArrayBuffer(COUNTER_ROWS * 2 * Float64Array.BYTES_PER_ELEMENT);
}

/** What a rule has counted, over all queues. */
export function ruleHits({ counters }: FlowRule): { hits: number; bytes: number } {
  const rows = new Float64Array(counters);
  let [hits, bytes] = [0, 0];
  for (let row = 0; row < COUNTER_ROWS; row++) {
    hits += rows[row * 2];
    bytes += rows[row * 2 + 1];
  }
  return { hits, bytes };
}

/** One rule, as a queue uses it. */
export class RuleMatcher {
  readonly actions: FlowActions;
  readonly #pattern: FlowPattern;
  readonly #counters: Float64Array;
  readonly #row: number;

  /** `queue`: of the device, whose thread is the only one to count in its row. */
  constructor(rule: FlowRule, queue: number) {
    this.actions = rule.actions;
    this.#pattern = rule.pattern;
    this.#counters = new Float64Array(rule.counters);
    this.#row = (queue % COUNTER_ROWS) * 2;
  }

  /** HOT. Counts a packet of `length` bytes. */
  hit(length: number): void {
    this.#counters[this.#row]++;
    this.#counters[this.#row + 1] += length;
  }

  /** HOT. Whether the frame in `bytes[start..end)` has what the rule asks for, with TPIDs as the port has. */
  matches(bytes: Uint8Array, start: number, end: number, inner: number, outer: number): boolean {
    const { eth, vlan, ip } = this.#pattern;
    if (!allMatch(eth, bytes, start, end)) return false;
    let at = start + ETHER.TYPE;
    for (let i = 0; i < vlan.length; i++) {
      if (at + 4 > end) return false;
      const tpid = readUint16BE(bytes, at);
      if (tpid !== inner && tpid !== outer) return false;
      if (!allMatch(vlan[i], bytes, at + 2, end)) return false;
      at += ETHER.VLAN_TAG;
    }
    return ip === null || (at + 2 <= end && this.#network(bytes, at, end, ip));
  }

  #network(bytes: Uint8Array, at: number, end: number, ip: NonNullable<FlowPattern['ip']>): boolean {
    const l3 = at + 2;
    const type = readUint16BE(bytes, at);
    if (type !== (ip.version === 4 ? ETHER.TYPE_IPV4 : ETHER.TYPE_IPV6)) return false;
    const length = ip.version === 4 ? ipv4HeaderLength(bytes, l3, end) : IPV6.HEADER;
    if (length === 0 || l3 + length > end || !allMatch(ip.matches, bytes, l3, end)) return false;
    const { l4 } = this.#pattern;
    if (l4 === null) return true;
    // The later fragments of a datagram have no ports.
    if (ip.version === 4 && (readUint16BE(bytes, l3 + IPV4.FRAGMENT) & 0x1fff) !== 0) return false;
    const protocol = bytes[l3 + (ip.version === 4 ? IPV4.PROTOCOL : IPV6.NEXT_HEADER)];
    return (
      protocol === l4.protocol &&
      l3 + length + l4.length <= end &&
      allMatch(l4.matches, bytes, l3 + length, end)
    );
  }
}

/** HOT. */
function allMatch(matches: readonly Match[], bytes: Uint8Array, header: number, end: number): boolean {
  for (let m = 0; m < matches.length; m++) {
    const { offset, spec, mask } = matches[m];
    const at = header + offset;
    if (at + spec.length > end) return false;
    for (let i = 0; i < spec.length; i++) if (((bytes[at + i] ^ spec[i]) & mask[i]) !== 0) return false;
  }
  return true;
}
