// SPDX-License-Identifier: BSD-3-Clause
// Runs one of the command lines of this package to its end: a program of the tree (.ts), or a file of dist
// (.js).
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fed } from './fed.ts';
import { nodeArguments, ROOT } from './program.ts';

export interface Ended {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `file` is relative to the package's root. */
export function startTool(
  file: string,
  args: readonly string[],
  env: Record<string, string> = {},
): ChildProcess {
  const program = file.endsWith('.ts') ? nodeArguments(file) : [join(ROOT, file)];
  const options = { stdio: 'pipe', env: { ...process.env, ...env }, cwd: ROOT } as const;
  return fed(spawn(process.execPath, [...program, ...args], options));
}

/** Kills it after `maxRunMs`. */
export function runTool(
  file: string,
  args: readonly string[],
  env: Record<string, string> = {},
  maxRunMs = 280_000,
): Promise<Ended> {
  const child = startTool(file, args, env);
  const timer = setTimeout(() => child.kill('SIGKILL'), maxRunMs);
  return collect(child).finally(() => clearTimeout(timer));
}

/** Waits for a child to exit and returns its output. */
export function collect(child: ChildProcess): Promise<Ended> {
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (part: string) => {
      text[name] += part;
    });
  }
  child.stdin?.end();
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...text }));
  });
}
