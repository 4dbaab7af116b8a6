// SPDX-License-Identifier: BSD-3-Clause
// The generator as a library, against the built-in peer.
import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { ROOT } from '../../test/support/program.ts';
import { openPktgen, type Pktgen, type Step } from './index.ts';

const PATIENT = { drain: 1, maxLag: 5 };
let pktgen: Pktgen | undefined;
afterEach(() => pktgen?.close());

describe('the library', () => {
  it('runs streams and returns their figures', async () => {
    pktgen = await openPktgen({ streams: [{ name: 'a', count: 300 }, { rate: '2kpps' }], rate: '3kpps' });
    const { streams, lost, latency } = await pktgen.run({ ...PATIENT, seconds: 0.3 });
    expect(streams.map(({ name, sent }) => [name, sent])).toEqual([
      ['a', 300],
      ['1', 600],
    ]);
    expect([lost, latency?.samples]).toEqual([0, 900]);
  });

  it('gives statistics while it runs, takes another rate, and ends when it is left', async () => {
    pktgen = await openPktgen({ streams: [{}], rate: 1000 });
    const seen: number[] = [];
    for await (const { sent } of pktgen.statistics(PATIENT, 0.1)) {
      seen.push(sent);
      if (seen.length === 2) pktgen.setRate('50kpps');
      if (seen.length === 5) break;
    }
    expect(seen).toHaveLength(5);
    expect(seen[4]).toBeGreaterThan(5 * (seen[1] as number));
    const again = await pktgen.run({ ...PATIENT, seconds: 0.05 });
    expect(again.lost).toBe(0);
  });

  it('searches, with a hook before and after each trial', async () => {
    pktgen = await openPktgen({ streams: [{}], dropAbove: 5000 });
    const rates: number[] = [];
    const steps: Step[] = [];
    const before = (pps: number) => {
      rates.push(pps);
      return rates.length < 3;
    };
    const found = await pktgen.search({ trialSeconds: 0.3, before, after: (step) => steps.push(step) });
    expect(rates).toHaveLength(3);
    expect(steps.map(({ pps }) => pps)).toEqual(rates.slice(0, 2));
    expect(steps[0]?.failure).toMatch(/^lost \d+$/);
    expect(found.complete).toBe(false);
  });

  it('names what is wrong', async () => {
    await expect(openPktgen({ streams: [{ size: 20 }] })).rejects.toThrow('streams: stream 0: size: 20');
    await expect(openPktgen({ streams: [], rate: 1 })).rejects.toThrow('at least one stream');
  });

  it('is a path of the package', () => {
    const code = "console.log(typeof (await import('vhost-pci-pmd/pktgen')).openPktgen)";
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect(stdout).toBe('function\n');
  });
});
