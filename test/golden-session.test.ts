// SPDX-License-Identifier: BSD-3-Clause
// The same script to dpdk-testpmd and to ours, on the same ports: what they print is the same, numbers and
// addresses aside, but for the differences that docs/dialect.md gives reasons for. One that is not listed
// fails, and one that is listed and gone.
import { describe, expect, it } from 'vitest';
import { DIALECT_DIFFERENCES } from '../src/testpmd/dialect-differences.ts';
import { dpdkHas } from '../tools/run/dpdk.ts';
import { judge, listed } from './golden/listed.ts';
import { bothAnswers, PAIRS } from './golden/pairs.ts';
import { SCRIPT } from './golden/script.ts';
import { differences } from './golden/transcript.ts';
import { dpdkMissing, inCi } from './support/dpdk.ts';
import { tapMissing } from './support/netns.ts';

const LIST = listed(new URL('./golden/differences.txt', import.meta.url));

/** Drivers of DPDK that are packages of their own, by kind of ports. */
const DRIVERS: Readonly<Record<string, readonly string[]>> = {
  net_tap: ['net_tap'],
  net_pcap: ['net_pcap'],
  net_pcap_iface: ['net_pcap'],
  live: ['net_vhost', 'net_virtio'],
};

function missing(kind: string): boolean {
  if (dpdkMissing()) return true;
  if ((kind === 'net_tap' || kind === 'net_pcap_iface') && tapMissing()) return true;
  const absent = (DRIVERS[kind] ?? []).filter((driver) => !dpdkHas(driver));
  if (absent.length === 0 || inCi()) return false;
  console.warn(`The golden session on ${kind} is skipped: DPDK has no ${absent.join(', ')}`);
  return true;
}

describe('a script to dpdk-testpmd and to ours', () => {
  for (const kind of Object.keys(PAIRS)) {
    it.skipIf(missing(kind))(`prints the same on ${kind}, but for what is listed`, async () => {
      const { ours, theirs } = await bothAnswers(kind, SCRIPT);
      expect(judge(LIST, kind, differences(ours, theirs))).toEqual({ unlisted: [], gone: [] });
      expect(ours.flatMap(({ lines }) => lines).length).toBeGreaterThan(300);
    });
  }
});

describe('the list of differences', () => {
  it('has rows of docs/dialect.md only', () => {
    const rows = new Set(DIALECT_DIFFERENCES.map(({ where }) => where));
    expect(LIST.length).toBeGreaterThan(20);
    expect(LIST.filter(({ row }) => !rows.has(row))).toEqual([]);
    expect(LIST.filter(({ kinds }) => kinds.some((kind) => !(kind in PAIRS)))).toEqual([]);
  });

  it('finds what it does not have, and misses what it has', () => {
    const [first] = LIST;
    const known = {
      command: 'set promisc 0 off',
      ours: [],
      theirs: [`Error during disabling promiscuous mode for port N: Operation not supported`],
    };
    const { unlisted, gone } = judge(LIST, 'net_null', [known, { ...known, ours: ['frob'] }]);
    expect(unlisted).toEqual([{ ...known, ours: ['frob'] }]);
    expect(gone).toContain(`${first?.row}: ${first?.commands[0]}`);
    expect(gone.some((each) => each.endsWith(': set promisc 0 off'))).toBe(false);
  });
});
