// SPDX-License-Identifier: BSD-3-Clause
// Every program ends through exitProcess, which a lost thread or a closed terminal does not trouble.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './support/program.ts';

/** Who may call process.exit, and why. */
const CALLERS: Readonly<Record<string, string>> = {
  'src/process-end.ts': 'is exitProcess',
  'src/lcore/worker.ts': 'ends a thread',
  'src/entry.ts': 'the addon is not loaded yet',
  'src/addon-file.ts': 'the addon cannot be loaded',
  'src/errors.ts': 'advises against it',
};
/** Programs that end without it, and why. */
const OTHERS: Readonly<Record<string, string>> = {
  'tools/prebuild/program.ts': 'makes the addon, so cannot load it',
};
/** Programs whose file has another name. */
const BY_NAME = ['tools/vm/console.ts', 'tools/examples/forward.ts', 'tools/examples/application.ts'];

const calls = (name: string, text: string): boolean =>
  text.split('\n').some((line) => !/^\s*(\/\/|\*)/.test(line) && line.includes(`${name}(`));

const files = ['src', 'tools'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|mjs)$/.test(file) && !/\.test(-help)?\.ts$/.test(file))
    .map((file) => ({ file: join(folder, file), text: readFileSync(join(ROOT, folder, file), 'utf8') })),
);

it('no program calls process.exit', () => {
  const found = files.filter(({ text }) => calls('process.exit', text)).map(({ file }) => file);
  expect(found.filter((file) => !(file in CALLERS))).toEqual([]);
  expect(Object.keys(CALLERS).filter((file) => !found.includes(file))).toEqual([]);
});

it('every program ends through exitProcess', () => {
  const programs = files.filter(({ file }) => /\/program\.ts$/.test(file) || BY_NAME.includes(file));
  expect(programs.length).toBeGreaterThan(10);
  const without = programs.filter(({ text }) => !calls('exitProcess', text)).map(({ file }) => file);
  expect(without).toEqual(Object.keys(OTHERS));
});

it('a call is found, a comment is not', () => {
  expect(calls('process.exit', 'a();\nsignal(() => process.exit(1));')).toBe(true);
  expect(calls('process.exit', '// process.exit() waits\n * process.exit(0)\nprocess.exitCode = 1;')).toBe(
    false,
  );
});
