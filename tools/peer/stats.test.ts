// SPDX-License-Identifier: BSD-3-Clause
// The lines of statistics that scripts may read.
import { describe, expect, it } from 'vitest';
import { noStats, periodLine, totals } from './stats.ts';

describe('statistics', () => {
  const now = { ...noStats(), txPackets: 3_000_000, rxPackets: 2_000_000, missing: 300 };

  it('of a period have rates and totals', () => {
    expect(periodLine(now, { ...noStats(), txPackets: 1_000_000 }, 2)).toBe(
      'tx   1.000 Mpps   rx   1.000 Mpps   sent 3000000  received 2000000  in flight 300  bad checksum 0  out of sequence 0  bad frames 0',
    );
  });

  it('regression: do not show frames of an earlier connection as in flight', () => {
    expect(periodLine({ ...now, lost: 256 }, noStats(), 1)).toContain('  in flight 44  lost 256  bad');
  });

  it('at the end count every frame as lost that did not come back', () => {
    expect(totals({ ...now, lost: 256 })).toBe(
      'sent 3000000  received 2000000  lost 300  bad checksum 0  out of sequence 0  bad frames 0',
    );
  });
});
