// SPDX-License-Identifier: BSD-3-Clause
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isTypescript, typescriptLoader } from './typescript-loader.ts';

describe('a worker that runs TypeScript', () => {
  let folder = '';
  let module = '';
  const url = (path: string) => pathToFileURL(join(folder, path)).href;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'loader-'));
    module = url('application/main.ts');
    mkdirSync(join(folder, 'other/node_modules/tsx'), { recursive: true });
    writeFileSync(join(folder, 'other/node_modules/tsx/package.json'), '{}');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('uses the tsx of the first place that has one, whatever Node can do', () => {
    for (const strips of [false, true]) {
      const code = typescriptLoader(module, [module, url('other/main.ts'), import.meta.url], strips);
      expect(code).toContain(url('other/node_modules/tsx/dist/esm/api/index.mjs'));
    }
  });

  it('needs no loader where Node strips types', () => {
    expect(typescriptLoader(module, [module], true)).toBe('');
  });

  it('is refused in one line where neither is there', () => {
    expect(() => typescriptLoader(module, [module], false)).toThrow(
      expect.objectContaining({
        code: 'VPCI_LCORE_MODULE',
        message: expect.stringMatching(/application\/main\.ts: Node .*npm install tsx.* Node 22\.18/),
      }),
    );
  });

  it('is told by the name of its module', () => {
    const names = ['a.ts', 'a.mts', 'a.cts', 'a.js', 'a.ts.js', 'ts'];
    expect(names.filter((name) => isTypescript(url(name)))).toEqual(['a.ts', 'a.mts', 'a.cts']);
  });
});
