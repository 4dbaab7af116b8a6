// SPDX-License-Identifier: BSD-3-Clause
// The style that Biome does not hold: comments are as wide as code.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../', import.meta.url));
const { lineWidth } = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')).formatter;

/** A line that is a comment, or one that ends in a comment behind code. */
const COMMENT = /^\s*(\/\/|\/\*|\* )|[;,{}()\]]\s+(\/\/|\/\*)/;
/** What cannot be broken: a directive, and one word, such as a URL. */
const UNBREAKABLE = /(biome-ignore|@ts-expect-error)|^\s*(\/\/|\*)\s+\S+$/;

function tooWide(text: string): number[] {
  return text.split('\n').flatMap((line, i) => {
    const wide = line.length > lineWidth && COMMENT.test(line) && !UNBREAKABLE.test(line);
    return wide ? [i + 1] : [];
  });
}

it('a line of a comment that is too wide is found, and nothing else', () => {
  const long = 'word '.repeat(30);
  expect(tooWide(`// ${long}\n /** ${long}*/\n * ${long}\nf(1); // ${long}\n`)).toEqual([1, 2, 3, 4]);
  expect(tooWide(`'${long}'\n// https://${'x'.repeat(120)}\n// short\n`)).toEqual([]);
});

it('comments are as wide as code', () => {
  const wide = ['src', 'tools', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) =>
        tooWide(readFileSync(join(root, folder, file), 'utf8')).map((line) => `${folder}/${file}:${line}`),
      ),
  );
  expect(wide).toEqual([]);
});
