// SPDX-License-Identifier: BSD-3-Clause
// docs/api/ is what the docstrings say, and every public symbol has one.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { API_REFERENCE, writeApiReference } from '../tools/docs/api.ts';
import { ROOT } from './support/program.ts';

let folder = '';
let faults: string[] = [];

/** The pages of a folder, by name. */
const pages = (from: string) =>
  Object.fromEntries(
    readdirSync(from, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md'))
      .sort()
      .map((file) => [file, readFileSync(join(from, file), 'utf8')]),
  );

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reference-'));
  faults = await writeApiReference(join(folder, 'api'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('every public symbol has a docstring, and what it refers to is public', () => {
  expect(faults).toEqual([]);
});

it('docs/api/ is current (npm run docs)', () => {
  const now = pages(join(folder, 'api'));
  expect(Object.keys(now).length).toBeGreaterThan(40);
  expect(pages(API_REFERENCE)).toEqual(now);
});

it('regression: each name that vhost-pci-pmd/pktgen exports has a page', () => {
  const text = readFileSync(join(ROOT, 'tools/pktgen/index.ts'), 'utf8');
  const names = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)]
    .flatMap(([, list = '']) => list.split(','))
    .map((name) => name.trim().replace(/^type /, ''))
    .concat(
      [...text.matchAll(/^export (?:async )?(?:class|interface|type|function) (\w+)/gm)].map(
        (m) => m[1] ?? '',
      ),
    )
    .filter(Boolean);
  expect(names).toEqual(expect.arrayContaining(['openPktgen', 'Pktgen', 'Stream', 'RunResult', 'PmdError']));
  const documented = Object.keys(pages(join(API_REFERENCE, 'pktgen'))).map((file) => basename(file, '.md'));
  expect(names.filter((name) => !documented.includes(name))).toEqual([]);
  expect(pages(API_REFERENCE)['README.md']).toContain('(pktgen/README.md)');
});

it('the classes of the library have an example', () => {
  const classes = ['classes/Mempool', 'classes/PmdError', 'functions/openPort'].concat(
    ['InPlaceSlots', 'TxInPlace', 'RxInPlace', 'MbufVector', 'RxQueue', 'TxQueue', 'Relay', 'Port', 'Lcore']
      .concat('LcoreContext', 'Sleeper')
      .map((name) => `interfaces/${name}`),
    ['pktgen/classes/Pktgen'],
  );
  const all = pages(API_REFERENCE);
  expect(classes.filter((name) => !/^#+ Example$/m.test(all[`${name}.md`] ?? ''))).toEqual([]);
});
