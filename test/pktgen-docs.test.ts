// SPDX-License-Identifier: BSD-3-Clause
// docs/pktgen.md prints commands that work, streams that are streams, and an application that does.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkStreams } from '../tools/pktgen/plan/stream.ts';
import { ROOT } from './support/program.ts';
import { commandLines, Shell } from './support/typed.ts';

const page = readFileSync(join(ROOT, 'docs/pktgen.md'), 'utf8');
const blocksOf = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, block = '']) => block,
  );
const lines = commandLines('docs/pktgen.md');

describe("docs/pktgen.md's commands", () => {
  let shell: Shell;
  beforeEach(() => {
    shell = new Shell();
  });
  afterEach(() => shell.close());

  it('send, receive all, and end well', { timeout: 180_000 }, async () => {
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines) {
      const typed = shell.type(line);
      await once(typed.child, 'close');
      expect([line, typed.child.exitCode, typed.output]).toEqual([
        ...[line, 0],
        expect.stringMatching(/^received [1-9]\d*, lost 0 \(0 %\)/m),
      ]);
    }
  });
});

it("docs/pktgen.md's streams are streams", () => {
  const all = blocksOf('json').map((block) => JSON.parse(block));
  expect(all.length).toBeGreaterThan(0);
  for (const { streams } of all) expect(checkStreams(streams, 'docs/pktgen.md')).toHaveLength(streams.length);
});

describe("docs/pktgen.md's application", () => {
  const [application = '', ...others] = blocksOf('ts');
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pktgen-docs-'));
    // As npm install leaves them.
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(ROOT, join(folder, 'node_modules/vhost-pci-pmd'));
    for (const name of ['typescript', '@types'])
      symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is right in its types, and runs', () => {
    expect(others).toEqual([]);
    const options = { cwd: folder, encoding: 'utf8', timeout: 100_000 } as const;
    writeFileSync(join(folder, 'application.mts'), application);
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
    const strict = ['--noEmit', '--strict', '--module', 'nodenext', '--types', 'node', 'application.mts'];
    execFileSync(process.execPath, [tsc, ...strict], options);
    // A search may take two minutes, where others use the CPUs.
    const short = application
      .replace('seconds: 5', 'seconds: 1.5')
      .replace('loss: 0,', 'loss: 0, trialSeconds: 0.2, timeBound: 2,');
    expect(short).not.toBe(application);
    writeFileSync(join(folder, 'short.mts'), short);
    const tsx = createRequire(import.meta.url).resolve('tsx');
    const output = execFileSync(process.execPath, ['--import', tsx, 'short.mts'], options)
      .trimEnd()
      .split('\n');
    expect(output.slice(0, 2)).toEqual([
      expect.stringMatching(/^[1-9]\d* [1-9]\d* \d/),
      expect.stringMatching(/^[1-9]\d* [1-9]\d* \d/),
    ]);
    expect(output.at(-1)).toMatch(/^(null|\d+(\.\d+)?)$/);
  });
});
