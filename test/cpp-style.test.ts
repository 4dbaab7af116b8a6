// SPDX-License-Identifier: BSD-3-Clause
// C++ comments use one style, `//`, and are no wider than the code, which clang-format holds to ColumnLimit.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const limit = Number(/^ColumnLimit: (\d+)$/m.exec(readFileSync(join(root, '.clang-format'), 'utf8'))?.[1]);

/** A string, a character (not a digit separator), or a comment of either style. */
const TOKEN = /"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'|\/\/.*|\/\*[\s\S]*?\*\//g;

/** `line: reason` for each comment that breaks the rule, and for each line that is too wide. */
function faults(text: string): string[] {
  const blocks = [...text.matchAll(TOKEN)]
    .filter(([token]) => token.startsWith('/*'))
    .map(({ index }) => `${text.slice(0, index).split('\n').length}: a comment that is not //`);
  const wide = text
    .split('\n')
    .flatMap((line, i) => ([...line].length > limit ? [`${i + 1}: wider than ${limit} columns`] : []));
  return [...blocks, ...wide];
}

const sources = ['addon', 'test'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(?:cc|h)$/.test(file))
    .map((file) => join(folder, file)),
);

describe('C++', () => {
  it('has comments of one style, no wider than the code', () => {
    expect(limit).toBeGreaterThan(0);
    expect(sources.length).toBeGreaterThan(100);
    const found = sources.flatMap((file) =>
      faults(readFileSync(join(root, file), 'utf8')).map((fault) => `${file}:${fault}`),
    );
    expect(found).toEqual([]);
  });

  it('violations would be found', () => {
    expect(faults(`int a = 1'000;  // "/*"\nchar b = '"';  /* no */\n`)).toEqual([
      '2: a comment that is not //',
    ]);
    expect(faults('/**\n * Text.\n */\nconst char* path = "/*";\n')).toEqual(['1: a comment that is not //']);
    expect(faults(`//${'é'.repeat(limit - 2)}\n//${'x'.repeat(limit - 1)}`)).toEqual([
      `2: wider than ${limit} columns`,
    ]);
  });
});
