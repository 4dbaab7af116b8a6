// SPDX-License-Identifier: BSD-3-Clause
// testpmd's line about the sizes of bursts.

/**
 * "  RX-bursts : 1000 [90% of 0 pkts + 10% of 32 pkts]": empty bursts, the two most frequent sizes, and the
 * others. `counts` are by size. Empty if there were no bursts.
 */
export function burstsLine(role: 'RX' | 'TX', counts: Float64Array): string[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return [];
  const frequent = [...counts.entries()]
    .slice(1)
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 2);
  const shown: string[] = [];
  let rest = 100;
  let seen = 0;
  for (const [size, count] of [[0, counts[0]] as const, ...frequent]) {
    seen += count;
    // The last is what the others leave, so that rounded shares make 100.
    if (seen === total) return [line(role, total, [...shown, `${rest}% of ${size} pkts`])];
    const percent = Math.floor((count / total) * 100);
    shown.push(`${percent}% of ${size} pkts`);
    rest -= percent;
  }
  return [line(role, total, [...shown, `${rest}% of other`])];
}

const line = (role: string, total: number, parts: readonly string[]) =>
  `  ${role}-bursts : ${total} [${parts.join(' + ')}]`;
