// SPDX-License-Identifier: BSD-3-Clause
// Each test named in docs/hostile-peers.md must exist under that name in that file.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { HOSTILE_KINDS, hostileKinds } from '../tools/peer/hostile.ts';

const docs = fileURLToPath(new URL('../docs/', import.meta.url));
const lines = readFileSync(join(docs, 'hostile-peers.md'), 'utf8').split('\n');

interface Named {
  readonly name: string;
  readonly file: string;
}

/** Links to tests. */
function testsOf(line: string): Named[] {
  return [...line.matchAll(/\[([^\]]+)\]\(\.\.\/([^)]+)\)/g)].map(([, name = '', file = '']) => ({
    name,
    file,
  }));
}

/** The name as spelt in the source: a title, a row of it.each, or the fixed part of a title. */
function isThere({ name, file }: Named): boolean {
  const path = join(docs, '..', file);
  return existsSync(path) && readFileSync(path, 'utf8').replaceAll("\\'", "'").includes(name);
}

const cases = lines.filter((line) => /^\| [A-Z][\w-]*\d/.test(line));

describe('docs/hostile-peers.md', () => {
  it('has the cases of every party', () => {
    const ids = cases.map((line) => line.split('|')[1]?.trim());
    const numbered = (letter: string, count: number) =>
      Array.from({ length: count }, (_, i) => `${letter}${i + 1}`);
    expect(ids).toEqual(
      expect.arrayContaining([
        ...numbered('H', 21),
        ...numbered('R', 6),
        ...numbered('C', 14),
        ...numbered('G', 5),
        ...numbered('S', 6),
        ...numbered('D', 4),
      ]),
    );
    expect(ids.filter((id, i) => ids.indexOf(id) < i)).toEqual([]);
  });

  it.each(cases)('names tests that exist: %s', (line) => {
    const tests = testsOf(line);
    expect(tests.length).toBeGreaterThan(0);
    expect(tests.filter((test) => !isThere(test))).toEqual([]);
  });

  it('has each rule that the built-in peer breaks, and the kinds of ring that have it', () => {
    const rows = lines.flatMap((line) => {
      const [, rule, , split, packed] = /^\| `([\w-]+)` \| ([^|]+) \| (.*) \| (.*) \|$/.exec(line) ?? [];
      return rule === undefined ? [] : [[rule, split === 'yes', packed === 'yes'] as const];
    });
    const [split, packed] = [hostileKinds(false), hostileKinds(true)];
    expect(new Set(rows)).toEqual(
      new Set(HOSTILE_KINDS.map((rule) => [rule, split.includes(rule), packed.includes(rule)] as const)),
    );
  });

  it('names tests that exist between its tables', () => {
    const tests = lines.filter((line) => !line.startsWith('|')).flatMap(testsOf);
    expect(tests.length).toBeGreaterThan(0);
    expect(tests.filter((test) => !isThere(test))).toEqual([]);
  });

  it('wrong links would be found', () => {
    expect(testsOf('| H1 | x | y | [no such test](../test/hostile-docs.test.ts) |').map(isThere)).toEqual([
      true,
    ]);
    const missing = testsOf(`| H1 | x | y | [${'no such'} ${'name'}](../test/layers.test.ts) |`);
    expect(missing.map(isThere)).toEqual([false]);
    expect(testsOf('| H1 | x | y | [a](../test/none.test.ts) |').map(isThere)).toEqual([false]);
  });
});
