// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import type { DemoOptions } from './options.ts';
import { picture, pmdTotals, secondLine, sharedCpu, summary } from './text.ts';
import { peerMode } from './traffic.ts';

const TESTPMD_END = `
  ---------------------- Forward statistics for port 0  ----------------------
  RX-packets: 11             RX-dropped: 0             RX-total: 11
  TX-packets: 10             TX-dropped: 1             TX-total: 11
  ----------------------------------------------------------------------------

  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++
  RX-packets: 22             RX-dropped: 0             RX-total: 22
  TX-packets: 20             TX-dropped: 2             TX-total: 22
  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++
`;

describe('a second’s line', () => {
  const before = { seconds: 1, sent: 1_000_000, received: 900_000, checks: { lost: 0, bad: 0 } };
  it('shows the rates of that second and the totals of the checks', () => {
    const now = { seconds: 2, sent: 17_240_000, received: 17_140_000, checks: { lost: 0, bad: 3 } };
    expect(secondLine(3, now, before)).toBe(
      't=3 s  peer→pmd 8.12 Mpps  pmd→peer 8.12 Mpps  checked 17.1 M  lost 0  bad 3',
    );
  });
  it('does not mention checks when there are none', () => {
    const now = { seconds: 1, sent: 2_000_000, received: 900_000 };
    expect(secondLine(2, now, before)).toBe('t=2 s  peer→pmd 1.00 Mpps  pmd→peer 0.00 Mpps');
  });
});

describe('the summary', () => {
  const totals = { seconds: 1, sent: 22, received: 22, checks: { lost: 0, bad: 0 } };
  it('has the peer’s totals and testpmd’s totals of all ports', () => {
    expect(summary(totals, pmdTotals(TESTPMD_END))).toEqual([
      'peer: 22 sent, 22 received; all came back, in order and with the right contents',
      'pmd:  22 received, 20 sent, 2 dropped',
    ]);
  });
  it('adds cycles when they were counted', () => {
    const pmd = pmdTotals(`${TESTPMD_END}\n  CPU cycles/packet=120.51 (busy cycles=1 / total io packets=1)`);
    expect(summary(totals, pmd)[1]).toContain('2 dropped, 121 cycles per packet');
  });
  it('reports lost and bad frames', () => {
    expect(summary({ ...totals, checks: { lost: 4, bad: 5 } }, undefined)).toEqual([
      'peer: 22 sent, 22 received; 4 lost, 5 bad',
    ]);
  });
  it('regression: does not call frames in flight lost when the user ended the PMD', () => {
    expect(summary({ ...totals, checks: { lost: 256, bad: 0 } }, undefined, { interactive: true })).toEqual([
      'peer: 22 sent, 22 received; 256 in flight at the end or lost, 0 bad',
    ]);
  });
  it('regression: says how many frames were in the rings at the end, where nobody drains them', () => {
    const flow = { seconds: 1, sent: 2_490_368, received: 2_489_344 };
    const pmd = { received: 2_490_368, sent: 2_490_368, dropped: 0, cycles: undefined };
    expect(summary(flow, pmd)[0]).toBe(
      'peer: 2490368 sent, 2489344 received, 1024 in flight at the end; contents not checked: the peer is a testpmd',
    );
    // Both ways; what the PMD drops is in no ring.
    const both = { ...pmd, received: 2_490_360, sent: 2_490_350, dropped: 10 };
    expect(summary(flow, both)[0]).toContain('received, 1014 in flight at the end;');
    expect(summary({ ...flow, received: 2_490_368 }, pmd)[0]).not.toContain('in flight');
  });
  it('regression: does not compute that from counters that the user may have cleared', () => {
    const flow = { seconds: 1, sent: 20, received: 10 };
    const pmd = { received: 10, sent: 10, dropped: 0, cycles: undefined };
    expect(summary(flow, pmd, { interactive: true })[0]).not.toContain('in flight');
  });
  it('regression: does not call the built-in peer a testpmd where frames go one way', () => {
    const flow = { seconds: 1, sent: 20, received: 0 };
    expect(summary(flow, undefined, { oneWay: true })).toEqual([
      'peer: 20 sent, 0 received; contents not checked: frames go one way',
    ]);
  });
  it('works without testpmd’s totals', () => expect(pmdTotals('killed')).toBeUndefined());
});

it('the peer’s mode matches the PMD’s', () => {
  expect(['io', 'mac', 'macswap', 'rxonly', 'txonly'].map((mode) => peerMode(mode as 'io'))).toEqual([
    ...['both', 'both', 'both', 'generate', 'sink'],
  ]);
});

it('regression: two poll loops on one CPU are pointed out', () => {
  expect(sharedCpu([0, 1])).toEqual([]);
  expect(sharedCpu([3, 3])).toEqual([expect.stringContaining('Both poll loops share CPU 3')]);
});

const OPTIONS: DemoOptions = {
  ...{ peer: 'dpdk', size: 512, duration: 1, forwardMode: 'io', burst: 64, queues: 2 },
  ...{ symmetric: false, unidirectional: false, interactive: false, verbose: false },
};

it('the picture of RFC 2.1 shows two PMDs, and whether each side has one writer', () => {
  const both: DemoOptions = { ...OPTIONS, peer: 'builtin', symmetric: true };
  expect(picture(both, [0, 1])).toMatch(
    /^testpmd \(a second PMD, CPU 1\) .* vhost-pci 2\.1 functions {2}<->/,
  );
  expect(picture({ ...both, unidirectional: true }, [0, 1])).toContain(
    'each side writable by its owner only',
  );
});

it('the picture shows both ends, their CPUs and the frames', () => {
  const line = picture(OPTIONS, [0, 1]);
  for (const part of ['DPDK', 'testpmd io', 'CPU 0', 'CPU 1', '512', '64', '2 queue pairs'])
    expect(line).toContain(part);
  expect(line).not.toContain('\n');
});
