// SPDX-License-Identifier: BSD-3-Clause
// The commands that a page prints, typed into a shell as printed, except for the folder of sockets and files
// and for programs of dist/, which run from the source where dist/ is older.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { fed } from './fed.ts';
import { nodeArguments, ROOT } from './program.ts';
import { until } from './wait.ts';

/** The lines of all shell blocks of a page, or of its section `heading`: comments go, continuations join. */
export function commandLines(page: string, heading?: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const part =
    heading === undefined ? text : text.slice(text.indexOf(`\n## ${heading}`) + 1).split('\n## ')[0];
  return [...(part ?? '').matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block
      .replaceAll('\\\n', ' ')
      .split('\n')
      .map((line) =>
        line
          .replace(/(^| )# .*/, '')
          .replace(/ +#\s.*$/, '')
          .trim(),
      )
      .filter((line) => line !== ''),
  );
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
const node = (source: string): string => [process.execPath, ...nodeArguments(source)].map(quoted).join(' ');

export interface Typed {
  readonly child: ChildProcess;
  /** Of both streams. */
  output: string;
}

/** A user's shell: its programs end with it. */
export class Shell {
  readonly folder = mkdtempSync(join(tmpdir(), 'typed-'));
  readonly #typed: Typed[] = [];

  /** Types a line; `within` wraps it, to type it elsewhere. */
  type(line: string, within = (words: string[]): string[] => words): Typed {
    const here = line
      .replaceAll('/tmp/', `${this.folder}/`)
      .replace(/\bnode dist\/(\S+)\.js/, (_, path: string) => node(`${path}.ts`))
      .replace(/\bnpx tsx (tools\/\S+\.ts)/, (_, path: string) => node(path));
    const simple = !/[|;&(]/.test(line);
    const [program = '', ...args] = within(['sh', '-c', `${simple ? 'exec ' : ''}${here} 2>&1`]);
    const child = fed(spawn(program, args, { cwd: ROOT }));
    const typed: Typed = { child, output: '' };
    this.#typed.push(typed);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      typed.output += text;
    });
    return typed;
  }

  /** Waits until a program has printed what matches. */
  async prints(typed: Typed, pattern: RegExp): Promise<void> {
    const there = () => pattern.test(typed.output);
    await until(`${pattern} comes`, () => there() || typed.child.exitCode !== null).catch((error) => {
      const outputs = this.#typed.map(({ output }) => output.slice(-2000));
      throw new Error([error.message, ...outputs].join('\n---\n'));
    });
    expect(typed.output).toMatch(pattern);
  }

  /** Sends a signal and waits for the end; returns the exit code. */
  async interrupt({ child }: Typed): Promise<number | null> {
    if (child.exitCode === null) {
      const gone = once(child, 'close');
      child.kill('SIGINT');
      await gone;
    }
    return child.exitCode;
  }

  async close(): Promise<void> {
    for (const { child } of this.#typed.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'close');
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(this.folder, { recursive: true });
  }
}
