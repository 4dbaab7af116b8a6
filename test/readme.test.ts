// SPDX-License-Identifier: BSD-3-Clause
// The README's commands and code work as printed.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const readme = readFileSync(root('README.md'), 'utf8');
const manifest = JSON.parse(readFileSync(root('package.json'), 'utf8'));

describe('README.md', () => {
  it('prints the forwarding example exactly as in the tree', () => {
    const printed = /```ts\n([\s\S]*?)```/.exec(readme)?.[1];
    expect(printed).toBe(readFileSync(root('tools/examples/forward.ts'), 'utf8'));
  });

  it('names files, programs and scripts that exist', () => {
    const sources = [...readme.matchAll(/node dist\/(\S+)\.js/g)].map((match) => `${match[1]}.ts`);
    const linked = [...readme.matchAll(/\]\((docs\/[^)]+)\)/g)].map((match) => match[1]);
    expect(sources.length).toBeGreaterThan(2);
    for (const path of [...sources, ...linked]) expect(existsSync(root(path)), path).toBe(true);
    for (const [, script] of readme.matchAll(/npm run ([\w:]+)/g))
      expect(manifest.scripts, `npm run ${script}`).toHaveProperty([script]);
  });

  it('gives the path of each program of the package', () => {
    for (const path of Object.values<string>(manifest.bin))
      expect(existsSync(root(path.replace(/^dist\//, '').replace(/\.js$/, '.ts'))), path).toBe(true);
  });
});
