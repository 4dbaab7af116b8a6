// SPDX-License-Identifier: BSD-3-Clause
// Names in CONTRIBUTING.md and in README's layout exist.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './support/program.ts';

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const missing = (paths: readonly string[]): string[] => paths.filter((path) => !existsSync(join(ROOT, path)));

it('CONTRIBUTING.md names files, folders, scripts and projects that exist', () => {
  const text = read('CONTRIBUTING.md');
  const code = [...text.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);
  const paths = code.filter((span) => /^(src|tools|addon|test|docs|\.ci)\/[\w./-]+$/.test(span));
  expect(paths.length).toBeGreaterThan(50);
  // NAME is chosen by the reader: the folder around it must exist.
  const own = paths.filter((path) => path.includes('NAME'));
  expect(missing(paths.filter((path) => !path.includes('NAME')))).toEqual([]);
  expect(missing(own.map((path) => dirname(path.split('NAME')[0]?.concat('x') ?? '')))).toEqual([]);
  const linked = [...text.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, path = '']) => path);
  expect(missing(linked)).toEqual([]);
  const { scripts } = JSON.parse(read('package.json'));
  for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g)) expect(scripts).toHaveProperty([script]);
  for (const [, project] of text.matchAll(/--project (\w+)/g))
    expect(read('vitest.config.ts')).toContain(`name: '${project}'`);
});

it("README's layout names folders and files that exist", () => {
  const layout = /## Layout\n+```\n([\s\S]*?)```/.exec(read('README.md'))?.[1] ?? '';
  const paths = [...layout.matchAll(/(?:src|tools|addon|test)\/[\w./-]*/g)].map(([path]) => path);
  expect(paths.length).toBeGreaterThan(10);
  expect(missing(paths)).toEqual([]);
});
