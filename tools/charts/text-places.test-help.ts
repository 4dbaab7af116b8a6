// SPDX-License-Identifier: BSD-3-Clause
// Whether the texts of a picture can be read.
import { expect } from 'vitest';

/** Texts with their places, by the widest letters of a common font. */
function texts(svg: string): { words: string; from: number; to: number; y: number }[] {
  return [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)" [^>]*?font-size="(\d+)"([^>]*)>([^<]*)</g)].map(
    ([, x, y, size, more = '', words = '']) => {
      const width = words.length * Number(size) * (more.includes('600') ? 0.68 : 0.62);
      const share = more.includes('middle') ? 0.5 : more.includes('end') ? 1 : 0;
      const from = Number(x) - share * width;
      return { words, from, to: from + width, y: Number(y) };
    },
  );
}

/** That no text leaves the picture or lies on another. */
export function expectReadable(svg: string): void {
  const [, width = 0, height = 0] = (/viewBox="0 0 (\d+) ([\d.]+)"/.exec(svg) ?? []).map(Number);
  const all = texts(svg);
  expect(all.length).toBeGreaterThan(8);
  for (const each of all) {
    expect([each.words, each.from >= 0, each.to <= width, each.y < height]).toEqual([
      ...[each.words, true, true, true],
    ]);
    const on = all.filter(
      (other) =>
        other !== each && Math.abs(other.y - each.y) < 10 && other.from < each.to && each.from < other.to,
    );
    expect(on.map(({ words }) => `${each.words}, ${words}`)).toEqual([]);
  }
}
